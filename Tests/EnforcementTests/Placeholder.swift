// EnforcementTests
