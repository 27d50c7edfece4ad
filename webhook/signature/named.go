package signature

import (
	"fmt"
	"strings"
)

// Names lists what a configuration can call a scheme.
func Names() []string {
	return []string{"slack", "hex", "bearer", "standard", "svix", "github", "stripe"}
}

// ByName returns the scheme of a name in Names. hex may name its header: "hex:X-Shop-Sig".
func ByName(name string) (Scheme, error) {
	switch name {
	case "slack":
		return SlackV0, nil
	case "hex":
		return HexHeader(""), nil
	case "bearer":
		return Bearer, nil
	case "standard":
		return StandardWebhooks, nil
	case "svix":
		return Svix, nil
	case "github":
		return GitHub, nil
	case "stripe":
		return Stripe, nil
	}
	if header, ok := strings.CutPrefix(name, "hex:"); ok && header != "" {
		return HexHeader(header), nil
	}
	return nil, fmt.Errorf("unknown signature scheme %q: use one of %s, or hex:<header>", name, strings.Join(Names(), ", "))
}
