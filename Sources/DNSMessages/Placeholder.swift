// DNSMessages
