"""Who is asking: whatever a request carries becomes one frozen Identity here, and nothing beyond looks at a cookie or credential."""
