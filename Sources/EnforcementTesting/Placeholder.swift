// EnforcementTesting
