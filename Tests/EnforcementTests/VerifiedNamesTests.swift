import Enforcement
import NetworkTypes
import Testing

@Suite struct VerifiedNamesTests {
    private static func key(_ port: UInt16) -> FlowKey {
        FlowKey(
            source: IPAddress(v4: 0x0a41_0001), destination: IPAddress(v4: 0xc000_020a), transport: .tcp, sourcePort: port,
            destinationPort: 443)
    }

    private static func place(_ number: UInt64) -> IPAddress { IPAddress(v6Upper: number + 1, lower: ~number) }

    @Test func `what a flow gave is kept until it is forgotten, and the newest counts`() {
        let memory = SharedMemory(byteCount: VerifiedNames.byteCount(flows: 16))
        let names = VerifiedNames(memory, flows: 16, bootMark: 1, seed: (1, 2))
        #expect(names.place(of: Self.key(1)) == nil)
        names.note(Self.key(1), place: Self.place(1))
        names.note(Self.key(2), place: Self.place(2))
        names.note(Self.key(1), place: Self.place(3))
        #expect(names.place(of: Self.key(1)) == Self.place(3))
        #expect(names.place(of: Self.key(2)) == Self.place(2))
        names.remove(Self.key(1))
        #expect(names.place(of: Self.key(1)) == nil)
        #expect(names.place(of: Self.key(2)) == Self.place(2))
    }

    @Test func `it outlives the process with its seed, but not the boot`() {
        let memory = SharedMemory(byteCount: VerifiedNames.byteCount(flows: 16))
        VerifiedNames(memory, flows: 16, bootMark: 1, seed: (1, 2)).note(Self.key(1), place: Self.place(1))
        let next = VerifiedNames(memory, flows: 16, bootMark: 1, seed: (3, 4))
        #expect(next.seed.0 == 1 && next.seed.1 == 2)
        #expect(next.place(of: Self.key(1)) == Self.place(1))
        let booted = VerifiedNames(memory, flows: 16, bootMark: 2, seed: (3, 4))
        #expect(booted.seed.0 == 3)
        #expect(booted.place(of: Self.key(1)) == nil)
    }

    @Test func `when it is full the newest takes the place of another, and that is counted`() {
        let memory = SharedMemory(byteCount: VerifiedNames.byteCount(flows: 16))
        let names = VerifiedNames(memory, flows: 16, bootMark: 1, seed: (1, 2))
        for port in 1...8_192 as ClosedRange<UInt16> {
            names.note(Self.key(port), place: Self.place(UInt64(port)))
            #expect(names.place(of: Self.key(port)) == Self.place(UInt64(port)))
        }
        #expect(names.evictionCount >= 7_000)
        let wrong = (1...8_192 as ClosedRange<UInt16>).count { port in
            names.place(of: Self.key(port)).map { $0 != Self.place(UInt64(port)) } ?? false
        }
        #expect(wrong == 0)
    }
}
