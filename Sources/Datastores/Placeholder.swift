// Datastores
