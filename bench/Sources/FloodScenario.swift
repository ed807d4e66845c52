/// What a pod floods with.
struct FloodScenario {
    let what: String
    let kind: FloodPacket.Kind
    let perSecond: Int
    /// What must have held it back.
    let counter: String?
    /// Whether the flooder is at its cap of flows before anything is measured.
    var fills = false
}
