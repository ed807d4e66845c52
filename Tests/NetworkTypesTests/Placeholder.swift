// NetworkTypesTests
