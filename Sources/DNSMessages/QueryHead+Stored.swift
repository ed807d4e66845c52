extension QueryHead {
    /// Whether a stored answer to the question at the start of `stored`, asked with these flags, is what this query asks for (``CacheKey``).
    ///
    /// - Parameters:
    ///   - message: the message that this was scanned in.
    ///   - stored: begins with a header and the question, at least.
    public func asksFor(_ stored: Span<UInt8>, isDNSSECOK: Bool, isCheckingDisabled: Bool, in message: Span<UInt8>) -> Bool {
        stored.count >= questionEnd && isDNSSECOK == self.isDNSSECOK && isCheckingDisabled == self.isCheckingDisabled
            && stored.read16(at: questionEnd - 4) == qtype.rawValue && message.hasSameFolded(nameRange, as: stored)
    }
}
