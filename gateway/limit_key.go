package gateway

// ConsumerKey returns the value of the part "consumer" of a limit's key: who it is, by the issuer's word where one says it, as one issuer's
// alice is not another's.
func ConsumerKey(issuer, name string) string {
	if issuer == "" || name == "" {
		return name
	}
	return issuer + " " + name
}
