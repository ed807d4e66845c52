// NetfilterTables
