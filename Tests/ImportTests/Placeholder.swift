// ImportTests
