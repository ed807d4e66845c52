import Enforcement
import EnforcementTesting
import Testing

struct NumberIndexTests {
    /// Keys that share hashes, so that runs are long, and hashes at the end of the slots, so that runs go round.
    @Test(arguments: [0, 0xffff_fff0] as [UInt32])
    func `what is inserted is found until it is removed, whatever stands in its way`(base: UInt32) {
        var random = SeededGenerator(seed: 7)
        var index = NumberIndex()
        var keys: [Int32: UInt32] = [:]
        func hash(_ key: UInt32) -> UInt32 { base &+ key / 3 }
        for step in 0..<40_000 {
            // It grows first and shrinks then.
            let grows = Int.random(in: 0..<100, using: &random) < (step < 20_000 ? 60 : 40)
            if grows || keys.isEmpty {
                let number = Int32.random(in: 0 ... .max - 1, using: &random)
                guard keys[number] == nil else { continue }
                let key = UInt32.random(in: 0..<9_000, using: &random)
                keys[number] = key
                index.insert(number, hash: hash(key))
            } else if let (number, key) = keys.randomElement(using: &random) {
                index.remove(number, hash: hash(key))
                keys[number] = nil
                let found = index.find(hash(key)) { $0 == number }
                #expect(found == nil)
            }
            #expect(index.count == keys.count)
        }
        for (number, key) in keys {
            let found = index.find(hash(key)) { $0 == number }
            #expect(found == number)
        }
        let other = index.find(hash(9_001)) { _ in true }
        #expect(other == nil)
    }
}
