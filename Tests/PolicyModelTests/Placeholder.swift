// PolicyModelTests
