import NetfilterTables
import Testing

struct MarkLayoutTests {
    @Test(arguments: [0x0000_1f7f, 0xf, 0x77ff_7ff7, 0x8000_0111, 0xfff0_0000] as [UInt32])
    func `every code survives the trip through the mask, foreign bits untouched`(mask: UInt32) throws {
        let layout = try #require(MarkLayout(mask: mask))
        let codes: [UInt32] = [
            0, 1, 2, 3, layout.generationMax, layout.newReply, layout.redecideReply, layout.redecideOriginal, layout.reject,
            layout.denied, layout.pending, layout.checkedQUIC, layout.hello,
        ]
        #expect(Set(codes.dropFirst(4)).count == codes.count - 4)
        for code in codes {
            #expect(layout.extract(layout.deposit(code)) == code)
            #expect(layout.deposit(code) & ~mask == 0)
            let mark = layout.replacing(in: 0xa5a5_a5a5, with: code)
            #expect(layout.extract(mark) == code)
            #expect(mark & ~mask == 0xa5a5_a5a5 & ~mask)
        }
        #expect(layout.reject == layout.extract(mask))
        #expect(layout.generationMax >= 7)
        // What a verdict asks for by foreign bits is told from no request, and from another.
        #expect(layout.observedBits & mask == 0)
        #expect(layout.observedBits.nonzeroBitCount == layout.foreignBits.nonzeroBitCount - 1)
        #expect(layout.observedBits.nonzeroBitCount >= 3)
        let signals = [layout.foreignBits, layout.observedBits, layout.observedLeaseBits]
        #expect(Set(signals).count == 3 && signals.allSatisfy { $0 & mask == 0 && layout.isSignal($0) && layout.isSignal($0 | mask) })
        // With a bit less a packet's own mark asks for nothing.
        #expect(signals.allSatisfy { !layout.isSignal($0 & ($0 - 1)) } && !layout.isSignal(mask))
    }

    @Test(arguments: [0x0000_0007, 0x7fff_ffff, 0xffff_ffff] as [UInt32])
    func `a mask with too few bits, or that leaves too few, is none`(mask: UInt32) { #expect(MarkLayout(mask: mask) == nil) }

    @Test(arguments: [0x0000_1f7f, 0xff, 0xffff, 0x8001_0f6f] as [UInt32])
    func `generations and questions of classes are apart from each other and from the special codes`(mask: UInt32) throws {
        let layout = try #require(MarkLayout(mask: mask))
        #expect(layout.classesMax == 14)
        var seen: Set<UInt32> = []
        for number in 0...14 as ClosedRange<UInt32> {
            let range = layout.generations(ofClass: number)
            #expect(range.count >= 2 && range.lowerBound > 0 && range.upperBound <= layout.generationMax)
            var codes = [range.lowerBound, range.upperBound]
            if number > 0 { codes += (0..<3).map { layout.question(ofClass: number, $0) } }
            for code in codes {
                #expect(code >> layout.classShift == number)
                #expect(layout.deposit(code) & layout.classMask == layout.deposit(number << layout.classShift))
                #expect(seen.insert(code).inserted)
            }
        }
        for code in [layout.hello, layout.reject] { #expect(code >> layout.classShift == 15) }
        #expect(MarkLayout(mask: 0x7f)?.classesMax == 0)
    }

    @Test func `fewer than four bits are refused`() {
        #expect(MarkLayout(mask: 0x7) == nil)
        #expect(MarkLayout(mask: 0) == nil)
    }

    @Test func `the standard mask is free of well-known bits`() {
        #expect(MarkLayout.standard.mask & (0xc000 | 0x2000 | 0x80 | 0xffff_0000) == 0)
        #expect(MarkLayout.standard.generationMax == 4087)
    }
}
