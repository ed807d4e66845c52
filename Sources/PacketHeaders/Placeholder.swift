// PacketHeaders
