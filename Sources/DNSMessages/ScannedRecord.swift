/// Where a record lies in a message that the scanner has walked. Offsets are from the start of the message.
struct ScannedRecord: BitwiseCopyable {
    let owner: UInt16
    let type: RecordType
    /// Seconds; 0 if the top bit is set (RFC 2181 §8).
    let timeToLive: UInt32
    let data: UInt16
    let dataLength: UInt16

    /// TYPE, CLASS, TTL and RDLENGTH stand in front of the data.
    var timeToLiveOffset: UInt16 { data - 6 }
    var end: Int { Int(data) + Int(dataLength) }
}
