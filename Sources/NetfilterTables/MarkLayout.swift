/// Which bits of the packet mark and of the conntrack mark are ours, and what a number in them means.
///
/// A number ("code") is deposited into the bits of `mask`, lowest bit first, wherever they lie; all other bits are foreign and kept.
///
/// | code | in the packet mark | in ct mark |
/// | --- | --- | --- |
/// | 0 | a new flow, packet from its originator; or nothing | not decided yet |
/// | 1...generationMax | verdict: allowed under this generation | allowed under this generation |
/// | `newReply` | question: a flow never decided, packet from its responder | - |
/// | `redecideReply` | question: decided under another generation, packet from the responder | - |
/// | `redecideOriginal` | question: decided under another generation, packet from the originator | - |
/// | `reject` | verdict: refuse and say so | - |
/// | `denied` | verdict: refuse, and this flow for good | was allowed, then refused: both directions are refused without asking |
/// | `pending` | verdict: allowed by address, the name in its first payload is still to be checked | so decided |
/// | `checkedQUIC` | verdict: the name was good; long headers are checked again | so decided |
/// | `hello` | question: packet from the originator of a flow whose name is pending (from its responder: `newReply`); in the queue for new flows: packet that conntrack does not track | - |
public struct MarkLayout: Hashable, Sendable, BitwiseCopyable {
    public let mask: UInt32

    /// Nil for fewer than 4 bits, which leave 7 generations, and for more than 28, which leave no pattern of foreign bits to ask with.
    public init?(mask: UInt32) {
        guard (4...28).contains(mask.nonzeroBitCount) else { return nil }
        self.mask = mask
    }

    private init(knownGood mask: UInt32) { self.mask = mask }

    /// 12 bits, free of kube-proxy (0xc000), the portmap plugin (0x2000), the AWS CNI (0x80) and Calico (0xffff0000).
    public static let standard = MarkLayout(knownGood: 0x0000_1f7f)

    /// The largest code that fits.
    @inlinable
    public var codeMax: UInt32 { .max >> UInt32(32 - mask.nonzeroBitCount) }

    @inlinable public var reject: UInt32 { codeMax }
    @inlinable public var redecideOriginal: UInt32 { codeMax - 1 }
    @inlinable public var redecideReply: UInt32 { codeMax - 2 }
    @inlinable public var newReply: UInt32 { codeMax - 3 }
    @inlinable public var denied: UInt32 { codeMax - 4 }
    @inlinable public var pending: UInt32 { codeMax - 5 }
    @inlinable public var checkedQUIC: UInt32 { codeMax - 6 }
    @inlinable public var hello: UInt32 { codeMax - 7 }
    /// Generations are 1...generationMax.
    @inlinable public var generationMax: UInt32 { codeMax - 8 }

    // MARK: Classes of processes
    //
    // They send from the node's addresses, so a generation has to tell the class as well: the four highest bits of a code are its number, 0 of the
    // node itself. 15 holds the special codes. The four lowest codes of a class are no generations but its questions.
    //
    // Only flows that the node itself has begun are read so; a pod's generations use all bits.

    /// 14, or 0 where too few bits are left.
    @inlinable public var classesMax: UInt32 { mask.nonzeroBitCount >= 8 ? 14 : 0 }
    @inlinable public var classShift: UInt32 { UInt32(mask.nonzeroBitCount - 4) }
    /// Bits of a mark.
    public var classMask: UInt32 { deposit(0xf << classShift) }

    /// The generations of a class, or of the node itself (0).
    public func generations(ofClass number: UInt32) -> ClosedRange<UInt32> {
        guard classesMax > 0 else { return 1...generationMax }
        return (number << classShift) + (number == 0 ? 1 : 4)...(((number + 1) << classShift) - 1)
    }

    /// Questions about flows of a class: 0 a new one; else decided under another generation, packet from the originator (1), the responder (2).
    @inlinable
    public func question(ofClass number: UInt32, _ kind: UInt32) -> UInt32 { number << classShift | kind }

    /// All bits that are not ours. A verdict that sets them all asks for a kernel lease as well; the table clears them again, so it is for
    /// packets alone that came with none of them set.
    @inlinable public var foreignBits: UInt32 { ~mask }

    /// All of them but the highest: the verdict asks that the flow become `pending` behind this packet. Likewise for packets alone that came with none.
    @inlinable public var observedBits: UInt32 { foreignBits & ~(1 << UInt32(31 - foreignBits.leadingZeroBitCount)) }

    /// All of them but the second highest: both.
    @inlinable public var observedLeaseBits: UInt32 { foreignBits & ~(1 << UInt32(31 - observedBits.leadingZeroBitCount)) }

    /// Whether the bits of others in a mark would ask for something.
    @inlinable
    public func isSignal(_ mark: UInt32) -> Bool { mark & observedBits == observedBits || mark & foreignBits == observedLeaseBits }

    /// The mark bits of a code; bits of the code that do not fit are dropped.
    @inlinable
    public func deposit(_ code: UInt32) -> UInt32 {
        var rest = mask
        var code = code
        var mark: UInt32 = 0
        while rest != 0 {
            let bit = rest & (0 &- rest)
            if code & 1 != 0 { mark |= bit }
            code >>= 1
            rest &= rest - 1
        }
        return mark
    }

    /// The code in our bits of a mark.
    @inlinable
    public func extract(_ mark: UInt32) -> UInt32 {
        var rest = mask
        var code: UInt32 = 0
        var position: UInt32 = 0
        while rest != 0 {
            let bit = rest & (0 &- rest)
            if mark & bit != 0 { code |= 1 << position }
            position += 1
            rest &= rest - 1
        }
        return code
    }

    /// The mark with our bits replaced by the code: what a verdict carries (`NFQA_MARK` replaces the whole mark).
    @inlinable
    public func replacing(in mark: UInt32, with code: UInt32) -> UInt32 { mark & ~mask | deposit(code) }
}
