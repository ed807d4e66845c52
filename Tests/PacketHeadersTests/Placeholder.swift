// PacketHeadersTests
