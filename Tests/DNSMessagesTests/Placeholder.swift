// DNSMessagesTests
