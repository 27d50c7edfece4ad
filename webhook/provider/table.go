package provider

import (
	"time"

	"slackmcp/webhook/signature"
)

// What several senders say alike.
//
//nolint:gosec // These are words about secrets.
const (
	clientSecret  = "the app's client secret"
	signingSecret = "the webhook's signing secret"
	chosenSecret  = "the secret that you chose for the webhook"
	chosenToken   = "a token that you choose"
)

// table is every provider that is known. To add one, add its row.
//
//nolint:gosec // as above
var table = []Provider{
	{
		Name: "airtable", Title: "Airtable", Secret: "`macSecretBase64` of the created webhook",
		Scheme: sign("airtable", signature.Recipe{Signature: []string{"header:X-Airtable-Content-MAC"}, Prefix: "hmac-sha256=", Secret: "base64"}),
		Facts:  []string{"https://airtable.com/developers/web/api/webhooks-overview"},
		Note:   "a notification says only that something changed",
	},
	{
		Name: "alertmanager", Title: "Prometheus Alertmanager", Secret: chosenToken + ", as `http_config.authorization.credentials`",
		Scheme: sign("alertmanager", token("header:Authorization", "Bearer ")), Type: "status",
		Facts: []string{"https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"},
		Note:  "an alert that is repeated unchanged is one event",
	},
	{
		Name: "asana", Title: "Asana", Secret: "`X-Hook-Secret` of the handshake",
		Scheme: sign("asana", header("X-Hook-Signature")), Type: "events.0.action", Subtype: "events.0.resource.resource_type", Handshake: Asana,
		Facts: []string{"https://developers.asana.com/docs/webhooks-guide"},
	},
	{
		Name: "bitbucket", Title: "Bitbucket Cloud", Secret: chosenSecret,
		Scheme: sign("bitbucket", prefixed("X-Hub-Signature", "sha256=")), ID: "header:X-Request-UUID", Type: "header:X-Event-Key",
		Facts: []string{"https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/", "https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/"},
	},
	{
		Name: "box", Title: "Box", Secret: "one of the app's two signature keys, or both",
		Scheme: sign("box", signature.Recipe{
			Signature: []string{"header:Box-Signature-Primary", "header:Box-Signature-Secondary"}, Encoding: "base64",
			Signed: "{body}{timestamp}", Time: "header:Box-Delivery-Timestamp", Unit: "rfc3339",
		}),
		ID: "id", Type: "trigger", Window: 10 * time.Minute,
		Facts: []string{"https://developer.box.com/guides/webhooks/v2/signatures-v2/"},
	},
	{
		Name: "buildkite", Title: "Buildkite", Secret: "the webhook's token, with \"Send an HMAC signature\"",
		Scheme: sign("buildkite", stamped("X-Buildkite-Signature", ",", "timestamp=", "signature=", "{timestamp}.{body}", "s")),
		ID:     "header:X-Buildkite-Request", Type: "header:X-Buildkite-Event",
		Facts: []string{"https://buildkite.com/docs/apis/webhooks/pipelines"},
		Note:  "its pages do not name `X-Buildkite-Request`, which its deliveries have",
	},
	{
		Name: "calcom", Title: "Cal.com", Secret: chosenSecret,
		Scheme: sign("calcom", header("X-Cal-Signature-256")), Type: "triggerEvent",
		Facts: []string{"https://cal.com/docs/developing/guides/automation/webhooks"},
	},
	{
		Name: "calendly", Title: "Calendly", Secret: "`signing_key` of the webhook subscription",
		Scheme: sign("calendly", stamped("Calendly-Webhook-Signature", ",", "t=", "v1=", "{timestamp}.{body}", "s")), Type: "event", Window: 3 * time.Minute,
		Facts: []string{"https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures"},
	},
	{
		Name: "chargebee", Title: "Chargebee", Secret: "\"user:password\" of the webhook's basic authentication",
		Scheme: sign("chargebee", basic()), ID: "id", Type: "event_type",
		Facts: []string{"https://www.chargebee.com/docs/2.0/webhook_settings.html"},
	},
	{
		Name: "circleci", Title: "CircleCI", Secret: chosenSecret,
		Scheme: sign("circleci", signature.Recipe{Signature: []string{"header:Circleci-Signature"}, Separator: ",", Prefix: "v1="}), ID: "id", Type: "type",
		Facts: []string{"https://circleci.com/docs/webhooks/"},
	},
	{
		Name: "clerk", Title: "Clerk", Secret: signingSecret, Scheme: sign("clerk", signature.Standard("", "svix")), ID: "header:Svix-Id", Type: "type",
		Facts: []string{"https://clerk.com/docs/webhooks/overview"},
	},
	{
		Name: "cloudevents", Title: "CloudEvents over HTTP", Secret: chosenToken + ", sent as `Authorization: Bearer`",
		Scheme: sign("cloudevents", token("header:Authorization", "Bearer ")), ID: "header:Ce-Id or id", Type: "header:Ce-Type or type", Handshake: CloudEvents,
		Facts: []string{"https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md"},
	},
	{
		Name: "customerio", Title: "Customer.io", Secret: signingSecret,
		Scheme: sign("customerio", timed(header("X-Cio-Signature"), "header:X-Cio-Timestamp", "v0:{timestamp}:{body}", "s")), ID: "event_id", Type: "object_type", Subtype: "metric",
		Facts: []string{"https://docs.customer.io/journeys/webhooks/"},
	},
	{
		Name: "datadog", Title: "Datadog", Secret: chosenToken + ", in the custom header `Authorization: Bearer`",
		Scheme: sign("datadog", token("header:Authorization", "Bearer ")), ID: "id", Type: "event_type",
		Facts: []string{"https://docs.datadoghq.com/integrations/webhooks/"},
		Note:  "id and type are those of the default payload",
	},
	{
		Name: "discord", Title: "Discord webhook events", Secret: "the application's public key",
		Scheme: sign("discord", timed(by("ed25519", header("X-Signature-Ed25519")), "header:X-Signature-Timestamp", "{timestamp}{body}", "s")),
		Type:   "event.type", Handshake: Discord, ReplyType: "text/plain",
		Facts: []string{"https://docs.discord.com/developers/events/webhook-events"},
	},
	{
		Name: "docusign", Title: "DocuSign Connect", Secret: "a Connect key; several while one replaces the other",
		Scheme: sign("docusign", signature.Recipe{Signature: []string{
			"header:X-DocuSign-Signature-1", "header:X-DocuSign-Signature-2", "header:X-DocuSign-Signature-3", "header:X-DocuSign-Signature-4",
		}, Encoding: "base64"}), Type: "event",
		Facts: []string{"https://developers.docusign.com/platform/webhooks/connect/hmac/", "https://developers.docusign.com/platform/webhooks/connect/validate/"},
	},
	{
		Name: "dropbox", Title: "Dropbox", Secret: "the app's secret",
		Scheme: sign("dropbox", header("X-Dropbox-Signature")), Handshake: Dropbox,
		Facts: []string{"https://www.dropbox.com/developers/reference/webhooks"},
		Note:  "a notification says only whose files changed",
	},
	{
		Name: "elevenlabs", Title: "ElevenLabs", Secret: signingSecret,
		Scheme: sign("elevenlabs", stamped("ElevenLabs-Signature", ",", "t=", "v0=", "{timestamp}.{body}", "s")), Type: "type", Window: 30 * time.Minute,
		Facts: []string{"https://elevenlabs.io/docs/overview/administration/webhooks"},
	},
	{
		Name: "eventgrid", Title: "Azure Event Grid", Secret: chosenToken + ", in the delivery property `Authorization: Bearer`",
		Scheme: sign("eventgrid", token("header:Authorization", "Bearer ")), ID: "header:Ce-Id or 0.id or id", Type: "header:Ce-Type or 0.eventType or type", Handshake: EventGrid,
		Facts: []string{"https://learn.microsoft.com/azure/event-grid/delivery-properties", "https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema"},
		Note:  "set the batch to one event",
	},
	{
		Name: "figma", Title: "Figma", Secret: "the webhook's passcode",
		Scheme: sign("figma", token("passcode", "")), Type: "event_type",
		Facts: []string{"https://developers.figma.com/docs/rest-api/webhooks-security/"},
	},
	{
		Name: "gitea", Title: "Gitea and Forgejo", Secret: chosenSecret,
		Scheme: sign("gitea", header("X-Gitea-Signature")), ID: "header:X-Gitea-Delivery", Type: "header:X-Gitea-Event", Subtype: "action",
		Facts: []string{"https://docs.gitea.com/usage/webhooks"},
	},
	{
		Name: "github", Title: "GitHub", Secret: chosenSecret, Scheme: signature.GitHub,
		ID: "header:X-GitHub-Delivery", Type: "header:X-GitHub-Event", Subtype: "action", MaxBody: 25 << 20,
		Facts: []string{"https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries", "https://docs.github.com/webhooks/webhook-events-and-payloads"},
	},
	{
		Name: "gitlab", Title: "GitLab", Secret: "the webhook's secret token",
		Scheme: sign("gitlab", token("header:X-Gitlab-Token", "")), ID: "header:Idempotency-Key", Type: "header:X-Gitlab-Event", MaxBody: 25 << 20,
		Facts: []string{"https://docs.gitlab.com/user/project/integrations/webhooks/", "https://gitlab.com/gitlab-org/gitlab/-/merge_requests/38687"},
	},
	{
		Name: "gocardless", Title: "GoCardless", Secret: "the webhook endpoint's secret",
		Scheme: sign("gocardless", header("Webhook-Signature")), ID: "meta.webhook_id", Type: "events.0.resource_type", Subtype: "events.0.action",
		Facts: []string{"https://developer.gocardless.com/api-reference/#appendix-webhooks"},
	},
	{
		Name: "grafana", Title: "Grafana alerting", Secret: "the contact point's HMAC secret",
		Scheme: sign("grafana", header("X-Grafana-Alerting-Signature")), Type: "status",
		Facts: []string{"https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/"},
		Note:  "leave the name of the timestamp header empty",
	},
	{
		Name: "heroku", Title: "Heroku", Secret: chosenSecret,
		Scheme: sign("heroku", base64("Heroku-Webhook-Hmac-SHA256")), ID: "id", Type: "resource", Subtype: "action",
		Facts: []string{"https://devcenter.heroku.com/articles/app-webhooks"},
	},
	{
		Name: "hubspot", Title: "HubSpot", Secret: clientSecret,
		Scheme: sign("hubspot", timed(base64("X-HubSpot-Signature-v3"), "header:X-HubSpot-Request-Timestamp", "{method}{url}{body}{timestamp}", "ms")),
		Type:   "0.subscriptionType",
		Facts:  []string{"https://developers.hubspot.com/docs/api/webhooks/validating-requests"},
		Note:   "a delivery has up to 100 notifications",
	},
	{
		Name: "intercom", Title: "Intercom", Secret: clientSecret,
		Scheme: sign("intercom", by("hmac-sha1", prefixed("X-Hub-Signature", "sha1="))), ID: "id", Type: "topic", Handshake: Head,
		Facts: []string{"https://developers.intercom.com/docs/webhooks/webhook-notifications"},
	},
	{
		Name: "jira", Title: "Jira Cloud", Secret: chosenSecret,
		Scheme: sign("jira", prefixed("X-Hub-Signature", "sha256=")), ID: "header:X-Atlassian-Webhook-Identifier", Type: "webhookEvent",
		Facts: []string{"https://developer.atlassian.com/cloud/jira/platform/webhooks/"},
	},
	{
		Name: "launchdarkly", Title: "LaunchDarkly", Secret: chosenSecret,
		Scheme: sign("launchdarkly", header("X-LD-Signature")), ID: "_id", Type: "kind",
		Facts: []string{"https://launchdarkly.com/docs/home/infrastructure/webhooks"},
	},
	{
		Name: "lemonsqueezy", Title: "Lemon Squeezy", Secret: chosenSecret,
		Scheme: sign("lemonsqueezy", header("X-Signature")), Type: "header:X-Event-Name",
		Facts: []string{"https://docs.lemonsqueezy.com/help/webhooks/signing-requests"},
	},
	{
		Name: "line", Title: "LINE", Secret: "the channel's secret",
		Scheme: sign("line", base64("X-Line-Signature")), ID: "events.0.webhookEventId", Type: "events.0.type",
		Facts: []string{"https://developers.line.biz/en/docs/messaging-api/receiving-messages/"},
		Note:  "a delivery may have several events; id and type are the first one's",
	},
	{
		Name: "linear", Title: "Linear", Secret: signingSecret,
		Scheme: sign("linear", timed(header("Linear-Signature"), "webhookTimestamp", "{body}", "ms")),
		ID:     "header:Linear-Delivery", Type: "type", Subtype: "action", Window: time.Minute,
		Facts: []string{"https://linear.app/developers/webhooks"},
	},
	{
		Name: "mailgun", Title: "Mailgun", Secret: "the HTTP webhook signing key",
		Scheme: sign("mailgun", signature.Recipe{
			Signature: []string{"signature.signature"}, Signed: "{member:signature.timestamp}{member:signature.token}", Time: "signature.timestamp",
		}), ID: "event-data.id", Type: "event-data.event",
		Facts: []string{"https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks"},
		Note:  "the signature does not cover the event itself: serve it by https only",
	},
	{
		Name: "messagebird", Title: "MessageBird", Secret: "the account's signing key",
		Scheme: jwt(signature.Token{Label: "messagebird", Header: "MessageBird-Signature-JWT", Issuers: []string{"MessageBird"}, BodyHash: "payload_hash", URLHash: "url_hash"}),
		Type:   "type or status", ByGet: true, Facts: []string{"https://developers.messagebird.com/api/#verifying-http-requests"},
	},
	{
		Name: "meta", Title: "Meta (Facebook, Instagram, Messenger)", Secret: "the app's secret",
		Scheme: sign("meta", prefixed("X-Hub-Signature-256", "sha256=")), Type: "object", Subtype: "entry.0.changes.0.field", Handshake: Meta,
		Facts: []string{"https://developers.facebook.com/docs/graph-api/webhooks/getting-started"},
	},
	{
		Name: "msgraph", Title: "Microsoft Graph change notifications", Secret: "the subscription's `clientState`",
		Scheme: sign("msgraph", token("value.*.clientState", "")), Type: "value.0.changeType", Handshake: Graph,
		Facts: []string{"https://learn.microsoft.com/graph/change-notifications-delivery-webhooks"},
	},
	{
		Name: "mux", Title: "Mux", Secret: signingSecret,
		Scheme: sign("mux", stamped("Mux-Signature", ",", "t=", "v1=", "{timestamp}.{body}", "s")), ID: "id", Type: "type",
		Facts: []string{"https://www.mux.com/docs/core/verify-webhook-signatures"},
	},
	{
		Name: "notion", Title: "Notion", Secret: "`verification_token` of the handshake",
		Scheme: sign("notion", prefixed("X-Notion-Signature", "sha256=")), ID: "id", Type: "type", Handshake: Notion,
		Facts: []string{"https://developers.notion.com/reference/webhooks"},
	},
	{
		Name: "openai", Title: "OpenAI", Secret: signingSecret, Scheme: sign("openai", signature.Standard("", "webhook")), ID: "header:Webhook-Id", Type: "type",
		Facts: []string{"https://platform.openai.com/docs/guides/webhooks"},
	},
	{
		Name: "paddle", Title: "Paddle Billing", Secret: "the notification destination's secret key",
		Scheme: sign("paddle", stamped("Paddle-Signature", ";", "ts=", "h1=", "{timestamp}:{body}", "s")), ID: "event_id", Type: "event_type",
		Facts: []string{"https://developer.paddle.com/webhooks/signature-verification"},
	},
	{
		Name: "pagerduty", Title: "PagerDuty", Secret: "the webhook subscription's secret",
		Scheme: sign("pagerduty", signature.Recipe{Signature: []string{"header:X-PagerDuty-Signature"}, Separator: ",", Prefix: "v1="}), ID: "event.id", Type: "event.event_type",
		Facts: []string{"https://developer.pagerduty.com/docs/webhooks/webhook-signatures/"},
	},
	{
		Name: "paystack", Title: "Paystack", Secret: "the account's secret key",
		Scheme: sign("paystack", by("hmac-sha512", header("X-Paystack-Signature"))), Type: "event",
		Facts: []string{"https://paystack.com/docs/payments/webhooks/"},
	},
	{
		Name: "polar", Title: "Polar", Secret: signingSecret,
		Scheme: sign("polar", func() signature.Recipe { r := signature.Standard("", "webhook"); r.Secret = "text"; return r }()), ID: "header:Webhook-Id", Type: "type",
		Facts: []string{"https://polar.sh/docs/integrate/webhooks/delivery"},
	},
	{
		Name: "postmark", Title: "Postmark", Secret: "\"user:password\" of the webhook's basic authentication",
		Scheme: sign("postmark", basic()), Type: "RecordType",
		Facts: []string{"https://postmarkapp.com/developer/webhooks/webhooks-overview"},
	},
	{
		Name: "pubsub", Title: "Google Pub/Sub push", Secret: "none: `audience` and `subject` say which service account may push",
		Token: &signature.Token{Label: "pubsub", Keys: "https://www.googleapis.com/oauth2/v3/certs", Issuers: []string{"https://accounts.google.com", "accounts.google.com"}},
		ID:    "message.messageId", Type: "message.attributes.eventType",
		Facts: []string{"https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions", "https://cloud.google.com/pubsub/docs/push"},
	},
	{
		Name: "razorpay", Title: "Razorpay", Secret: chosenSecret,
		Scheme: sign("razorpay", header("X-Razorpay-Signature")), ID: "header:X-Razorpay-Event-Id", Type: "event",
		Facts: []string{"https://razorpay.com/docs/webhooks/validate-test/"},
	},
	{
		Name: "replicate", Title: "Replicate", Secret: signingSecret, Scheme: sign("replicate", signature.Standard("", "webhook")), ID: "header:Webhook-Id", Type: "status",
		Facts: []string{"https://replicate.com/docs/topics/webhooks/verify-webhook"},
	},
	{
		Name: "resend", Title: "Resend", Secret: signingSecret, Scheme: sign("resend", signature.Standard("", "svix")), ID: "header:Svix-Id", Type: "type",
		Facts: []string{"https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests"},
	},
	{
		Name: "sanity", Title: "Sanity", Secret: chosenSecret,
		Scheme: sign("sanity", signature.Recipe{
			Signature: []string{"header:Sanity-Webhook-Signature"}, Separator: ",", TimeItem: "t=", Prefix: "v1=", Encoding: "base64", Signed: "{timestamp}.{body}", Unit: "ms",
		}), ID: "header:Idempotency-Key", Type: "header:Sanity-Operation",
		Facts: []string{"https://www.sanity.io/docs/content-lake/webhooks", "https://github.com/sanity-io/webhook-toolkit"},
	},
	{
		Name: "sendgrid", Title: "SendGrid event webhook", Secret: "the public key of the signed event webhook",
		Scheme: sign("sendgrid", signature.Recipe{
			Algorithm: "ecdsa", Signature: []string{"header:X-Twilio-Email-Event-Webhook-Signature"}, Encoding: "base64",
			Signed: "{timestamp}{body}", Time: "header:X-Twilio-Email-Event-Webhook-Timestamp",
		}), Type: "0.event",
		Facts: []string{"https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features"},
		Note:  "a delivery has several events; the type is the first one's",
	},
	{
		Name: "sentry", Title: "Sentry", Secret: "the integration's client secret",
		Scheme: sign("sentry", header("Sentry-Hook-Signature")), ID: "header:Request-ID", Type: "header:Sentry-Hook-Resource", Subtype: "action",
		Facts: []string{"https://docs.sentry.io/integrations/integration-platform/webhooks/"},
	},
	{
		Name: "shopify", Title: "Shopify", Secret: clientSecret,
		Scheme: sign("shopify", base64("X-Shopify-Hmac-Sha256")), ID: "header:X-Shopify-Webhook-Id", Type: "header:X-Shopify-Topic",
		Facts: []string{"https://shopify.dev/docs/apps/build/webhooks/verify-deliveries"},
	},
	{
		Name: "slack", Title: "A second Slack app", Secret: "the app's signing secret", Scheme: signature.SlackV0,
		ID: "event_id", Type: "event.type or type", Subtype: "event.subtype", Handshake: Slack,
		Facts: []string{"https://docs.slack.dev/authentication/verifying-requests-from-slack"},
	},
	{
		Name: "sns", Title: "Amazon SNS", Secret: "the topic's ARN", Scheme: signature.SNS, ID: "MessageId", Type: "Type", Window: time.Hour, Handshake: SNS,
		Facts: []string{"https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html"},
		Note:  "raw message delivery is not signed and is refused",
	},
	{
		Name: "square", Title: "Square", Secret: "the webhook subscription's signature key",
		Scheme: sign("square", signature.Recipe{Signature: []string{"header:X-Square-Hmacsha256-Signature"}, Encoding: "base64", Signed: "{url}{body}"}), ID: "event_id", Type: "type",
		Facts: []string{"https://developer.squareup.com/docs/webhooks/step3validate"},
	},
	{
		Name: "stripe", Title: "Stripe", Secret: signingSecret, Scheme: signature.Stripe, ID: "id", Type: "type",
		Facts: []string{"https://docs.stripe.com/webhooks/signature"},
	},
	{
		Name: "supabase", Title: "Supabase auth hooks", Secret: "the hook's secret, with its \"v1,whsec_\"",
		Scheme: sign("supabase", signature.Standard("", "webhook")), ID: "header:Webhook-Id", Type: "metadata.name",
		Facts: []string{"https://supabase.com/docs/guides/auth/auth-hooks"},
	},
	{
		Name: "svix", Title: "Whoever sends by Svix", Secret: signingSecret, Scheme: signature.Svix, ID: "header:Svix-Id", Type: "type",
		Facts: []string{"https://docs.svix.com/receiving/verifying-payloads/how"},
	},
	{
		Name: "telegram", Title: "Telegram bots", Secret: "`secret_token` of setWebhook",
		Scheme: sign("telegram", token("header:X-Telegram-Bot-Api-Secret-Token", "")), ID: "update_id",
		Facts: []string{"https://core.telegram.org/bots/api#setwebhook"},
	},
	{
		Name: "terraform", Title: "HCP Terraform", Secret: "the notification's token",
		Scheme: sign("terraform", by("hmac-sha512", header("X-TFE-Notification-Signature"))), Type: "notifications.0.trigger",
		Facts: []string{"https://developer.hashicorp.com/terraform/cloud-docs/workspaces/settings/notifications"},
	},
	{
		Name: "trello", Title: "Trello", Secret: "the app's secret",
		Scheme: sign("trello", signature.Recipe{Algorithm: "hmac-sha1", Signature: []string{"header:X-Trello-Webhook"}, Encoding: "base64", Signed: "{body}{url}"}),
		ID:     "action.id", Type: "action.type", Handshake: Head,
		Facts: []string{"https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/"},
	},
	{
		Name: "twilio", Title: "Twilio", Secret: "the account's auth token",
		Scheme: sign("twilio", signature.Recipe{Algorithm: "hmac-sha1", Signature: []string{"header:X-Twilio-Signature"}, Encoding: "base64", Signed: "{url}{form}"}),
		ID:     "header:I-Twilio-Idempotency-Token", Type: "MessageStatus or CallStatus or SmsStatus",
		Reply: "<Response/>", ReplyType: "text/xml",
		Facts: []string{"https://www.twilio.com/docs/usage/webhooks/webhooks-security", "https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"},
	},
	{
		Name: "twitch", Title: "Twitch EventSub", Secret: chosenSecret,
		Scheme: sign("twitch", signature.Recipe{
			Signature: []string{"header:Twitch-Eventsub-Message-Signature"}, Prefix: "sha256=", Signed: "{id}{timestamp}{body}",
			ID: "header:Twitch-Eventsub-Message-Id", Time: "header:Twitch-Eventsub-Message-Timestamp", Unit: "rfc3339",
		}), ID: "header:Twitch-Eventsub-Message-Id", Type: "subscription.type", Subtype: "header:Twitch-Eventsub-Message-Type", Window: 10 * time.Minute, Handshake: Twitch,
		Facts: []string{"https://dev.twitch.tv/docs/eventsub/handling-webhook-events/"},
	},
	{
		Name: "typeform", Title: "Typeform", Secret: chosenSecret,
		Scheme: sign("typeform", signature.Recipe{Signature: []string{"header:Typeform-Signature"}, Prefix: "sha256=", Encoding: "base64"}), ID: "event_id", Type: "event_type",
		Facts: []string{"https://www.typeform.com/developers/webhooks/secure-your-webhooks/"},
	},
	{
		Name: "vercel", Title: "Vercel", Secret: signingSecret,
		Scheme: sign("vercel", by("hmac-sha1", header("X-Vercel-Signature"))), ID: "id", Type: "type",
		Facts: []string{"https://vercel.com/docs/webhooks/webhooks-api"},
	},
	{
		Name: "vonage", Title: "Vonage", Secret: "the account's signature secret",
		Scheme: signature.Vonage, Type: "status or message_type or type", ByGet: true,
		Facts: []string{"https://developer.vonage.com/en/getting-started/concepts/webhooks", "https://developer.vonage.com/en/getting-started/concepts/signing-messages"},
		Note:  "of its SMS product set the signature to one of HMAC with SHA; MD5 is refused",
	},
	{
		Name: "whatsapp", Title: "WhatsApp Cloud API", Secret: "the app's secret",
		Scheme: sign("whatsapp", prefixed("X-Hub-Signature-256", "sha256=")), Type: "object", Subtype: "entry.0.changes.0.field", Handshake: Meta, MaxBody: 3 << 20,
		Facts: []string{"https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks"},
	},
	{
		Name: "woocommerce", Title: "WooCommerce", Secret: chosenSecret,
		Scheme: sign("woocommerce", base64("X-WC-Webhook-Signature")), ID: "header:X-WC-Webhook-Delivery-ID", Type: "header:X-WC-Webhook-Topic",
		Facts: []string{"https://woocommerce.com/document/webhooks/"},
	},
	{
		Name: "workos", Title: "WorkOS", Secret: signingSecret,
		Scheme: sign("workos", stamped("WorkOS-Signature", ",", "t=", "v1=", "{timestamp}.{body}", "ms")), ID: "id", Type: "event", Window: 3 * time.Minute,
		Facts: []string{"https://workos.com/docs/events/data-syncing/webhooks"},
	},
	{
		Name: "xero", Title: "Xero", Secret: "the app's webhooks key",
		Scheme: sign("xero", base64("X-Xero-Signature")), Type: "events.0.eventType", Subtype: "events.0.eventCategory", ReplyType: "text/plain",
		Facts: []string{"https://developer.xero.com/documentation/guides/webhooks/overview/"},
	},
	{
		Name: "zendesk", Title: "Zendesk", Secret: signingSecret,
		Scheme: sign("zendesk", timed(base64("X-Zendesk-Webhook-Signature"), "header:X-Zendesk-Webhook-Signature-Timestamp", "{timestamp}{body}", "rfc3339")),
		ID:     "header:X-Zendesk-Webhook-Invocation-Id", Type: "type",
		Facts: []string{"https://developer.zendesk.com/documentation/webhooks/verifying/"},
	},
	{
		Name: "zoom", Title: "Zoom", Secret: "the app's secret token",
		Scheme: sign("zoom", timed(prefixed("X-Zm-Signature", "v0="), "header:X-Zm-Request-Timestamp", "v0:{timestamp}:{body}", "s")), Type: "event", Handshake: Zoom,
		Facts: []string{"https://developers.zoom.us/docs/api/webhooks/"},
	},
}
