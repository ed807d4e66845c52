// DomainNamesTests
