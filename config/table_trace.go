package config

// traceSettings have the names that OpenTelemetry gives them. Traces are off unless an
// endpoint is set.
var traceSettings = []Setting{
	{
		Key: "OTEL_EXPORTER_OTLP_ENDPOINT", Flag: "otel-exporter-otlp-endpoint", Section: SectionOperate, Kind: KindURL, Example: "http://collector:4318",
		DefaultNote: "no traces",
		Help:        "Collector of OpenTelemetry that traces are posted to, by OTLP over HTTP",
		More:        "The path /v1/traces is added. OTLP over gRPC is not spoken.",
		bind:        address(func(c *Config) *string { return &c.Trace.Endpoint }, "http", "https"),
	},
	{
		Key: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Flag: "otel-exporter-otlp-traces-endpoint", Section: SectionOperate, Kind: KindURL, Example: "http://collector:4318/v1/traces",
		DefaultNote: "OTEL_EXPORTER_OTLP_ENDPOINT with /v1/traces",
		Help:        "Address that traces are posted to, taken as it is",
		bind:        address(func(c *Config) *string { return &c.Trace.TracesEndpoint }, "http", "https"),
	},
	{
		Key: "OTEL_EXPORTER_OTLP_HEADERS", Section: SectionOperate, Kind: KindSecret, Example: "api-key=0123456789abcdef",
		Help: "Headers that go with the traces, as name=value with commas between, values percent-encoded",
		bind: into(func(c *Config) *Secret { return &c.Trace.Headers }, parseHeaders),
	},
	{
		Key: "OTEL_SERVICE_NAME", Flag: "otel-service-name", Section: SectionOperate, Kind: KindText, Default: "slack-webhook-server",
		Help: "Name of this service in traces",
		bind: text(func(c *Config) *string { return &c.Trace.Service }, "name"),
	},
	{
		Key: "OTEL_RESOURCE_ATTRIBUTES", Flag: "otel-resource-attributes", Section: SectionOperate, Kind: KindList, Example: "deployment.environment=production",
		DefaultNote: "none",
		Help:        "Attributes of this service in traces, as name=value with commas between, values percent-encoded",
		bind:        into(func(c *Config) *[]string { return &c.Trace.Attributes }, parsePairs),
	},
	{
		Key: "OTEL_TRACES_SAMPLER", Flag: "otel-traces-sampler", Section: SectionOperate, Kind: KindChoice, Default: "parentbased_always_on",
		Help: "Which traces are kept",
		bind: choice(func(c *Config) *string { return &c.Trace.Sampler },
			"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
	},
	{
		Key: "OTEL_TRACES_SAMPLER_ARG", Flag: "otel-traces-sampler-arg", Section: SectionOperate, Kind: KindText, Default: "1",
		Help: "Share of the traces that a ratio sampler keeps, from 0 to 1",
		bind: into(func(c *Config) *float64 { return &c.Trace.Ratio }, parseShare),
	},
	{
		Key: "OTEL_SDK_DISABLED", Flag: "otel-sdk-disabled", Section: SectionOperate, Kind: KindBoolean, Default: "false",
		Help: "Make no traces, whatever else is set",
		bind: boolean(func(c *Config) *bool { return &c.Trace.Disabled }),
	},
}
