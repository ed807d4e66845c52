// DatastoresTests
