/// Patterns as paths from the root label on; at their ends the numbers of the patterns.
///
///     root -> org -> example -> www                     www.example.org
///                       |
///                       +-- one or more: *.example.org
///                       +-- leading -> update           update.*.example.org   (leaf first)
///                       +-- globs -> "api" -> "-eu" -> "v" -> (end) -> ...      api*v*-eu.example.org
///                                    prefix   suffix   piece
///
/// All edges, of labels and of the parts of globs, are in one hash table over (node, text) that grows bucket by bucket (linear
/// hashing), so that no single insertion is dear. Everything lies in `ChunkedArray`s: a copy of the trie shares all pieces that are not
/// written to afterwards, and stays as it was.
struct PatternTrie: Sendable {
    private(set) var nodes = ChunkedArray<PatternNode>(chunkShift: 6, filler: PatternNode())
    private(set) var wildcards = ChunkedArray<PatternWildcards>(chunkShift: 6, filler: PatternWildcards())
    /// Patterns whose wildcards stand for host characters: without any, names are not looked through for others.
    private(set) var hostPatternCount = 0
    private var buckets = ChunkedArray<UInt32>(chunkShift: 9, filler: 0)
    private var labels = LabelStore()
    /// One less than a power of two, and not less than the index of the last bucket.
    private var bucketMask = 15
    private var edgeCount = 0
    private var freeNode: UInt32 = 0
    private var freeWildcards: UInt32 = 0
    /// Keeps those who write policies from choosing labels that collide.
    private let seed: UInt64 = .random(in: .min ... .max)

    init() {
        // Number 0 is the root, and stands for none elsewhere; likewise with wildcards.
        nodes.append(PatternNode())
        wildcards.append(PatternWildcards())
        buckets.grow(to: bucketMask + 1)
    }

    // MARK: - Patterns

    /// The number of the pattern with this path, or nil.
    func number(at path: PatternPath) -> UInt32? {
        var node = 0
        for step in path.steps {
            guard let next = follow(step, from: node) else { return nil }
            node = next
        }
        let number = number(node, path.wildcard)
        return number == 0 ? nil : number - 1
    }

    /// Gives a number to the pattern with this path, which had none.
    mutating func insert(_ path: PatternPath, number: UInt32) {
        var node = 0
        for step in path.steps { node = follow(step, from: node) ?? add(step, to: node) }
        setNumber(number + 1, node, path.wildcard)
        if path.usesHostCharacters { hostPatternCount += 1 }
    }

    /// Takes away the pattern with this path, which must have a number, and the nodes that only it needed.
    mutating func remove(_ path: PatternPath) {
        var way = [0]
        for step in path.steps {
            guard let node = follow(step, from: way[way.count - 1]) else { return }
            way.append(node)
        }
        setNumber(0, way[way.count - 1], path.wildcard)
        if path.usesHostCharacters { hostPatternCount -= 1 }
        while let node = way.popLast(), node != 0, nodes[node].isEmpty { detach(node) }
    }

    private func number(_ node: Int, _ wildcard: PatternWildcards.Kind?) -> UInt32 {
        guard let wildcard else { return nodes[node].pattern }
        return wildcards[Int(nodes[node].wildcards)][wildcard]
    }

    private mutating func setNumber(_ number: UInt32, _ node: Int, _ wildcard: PatternWildcards.Kind?) {
        guard let wildcard else {
            nodes[node].pattern = number
            return
        }
        let record = wildcardsForWriting(of: node)
        wildcards[record][wildcard] = number
        if number == 0 { dropWildcardsIfEmpty(of: node) }
    }

    // MARK: - Steps

    private func follow(_ step: PatternPath.Step, from node: Int) -> Int? {
        switch step {
        case .label(let text), .part(let text):
            let child = child(of: node, Array(text), 0, text.count)
            return child == 0 ? nil : child
        case .link(let link):
            let next = Int(wildcards[Int(nodes[node].wildcards)][link])
            return next == 0 ? nil : next
        }
    }

    private mutating func add(_ step: PatternPath.Step, to node: Int) -> Int {
        let new = takeNode()
        nodes[new].parent = UInt32(node)
        switch step {
        case .label(let text):
            addEdge(new, text, to: node)
        case .part(let text):
            addEdge(new, text, to: node)
            nodes[node].lengths |= 1 << UInt64(text.count)
        case .link(let link):
            nodes[new].link = link
            let record = wildcardsForWriting(of: node)
            wildcards[record][link] = UInt32(new)
        }
        return new
    }

    /// Takes an empty node off its parent.
    private mutating func detach(_ node: Int) {
        let old = nodes[node]
        if let link = old.link {
            let record = Int(nodes[Int(old.parent)].wildcards)
            wildcards[record][link] = 0
            dropWildcardsIfEmpty(of: Int(old.parent))
        } else {
            removeEdge(node)
            nodes[Int(old.parent)].edgeCount -= 1
        }
        nodes[node] = PatternNode()
        nodes[node].next = freeNode
        freeNode = UInt32(node)
    }

    private mutating func takeNode() -> Int {
        guard freeNode != 0 else { return nodes.append(PatternNode()) }
        let node = Int(freeNode)
        freeNode = nodes[node].next
        nodes[node] = PatternNode()
        return node
    }

    private mutating func wildcardsForWriting(of node: Int) -> Int {
        if nodes[node].wildcards != 0 { return Int(nodes[node].wildcards) }
        let record: Int
        if freeWildcards == 0 {
            record = wildcards.append(PatternWildcards())
        } else {
            record = Int(freeWildcards)
            freeWildcards = wildcards[record].nextFree
            wildcards[record] = PatternWildcards()
        }
        nodes[node].wildcards = UInt32(record)
        return record
    }

    private mutating func dropWildcardsIfEmpty(of node: Int) {
        let record = Int(nodes[node].wildcards)
        guard record != 0, wildcards[record].isEmpty else { return }
        wildcards[record].nextFree = freeWildcards
        freeWildcards = UInt32(record)
        nodes[node].wildcards = 0
    }

    // MARK: - Edges

    /// The node behind the edge with `count` bytes of `text`, or 0.
    func child(of node: Int, _ text: [UInt8], _ start: Int, _ count: Int) -> Int {
        let hash = hash(node, text, start, count)
        var child = Int(buckets[bucket(hash)])
        while child != 0 {
            let candidate = nodes[child]
            if candidate.hash == hash, candidate.parent == UInt32(node), candidate.labelCount == UInt8(count),
                labels.isEqual(candidate.labelStart, text, start, count)
            {
                return child
            }
            child = Int(candidate.next)
        }
        return 0
    }

    private mutating func addEdge(_ child: Int, _ text: ArraySlice<UInt8>, to node: Int) {
        let hash = hash(node, Array(text), 0, text.count)
        let bucket = bucket(hash)
        nodes[child].hash = hash
        nodes[child].labelStart = labels.insert(text)
        nodes[child].labelCount = UInt8(text.count)
        nodes[child].next = buckets[bucket]
        buckets[bucket] = UInt32(child)
        nodes[node].edgeCount += 1
        edgeCount += 1
        if edgeCount > buckets.count { splitBucket() }
    }

    private mutating func removeEdge(_ child: Int) {
        let old = nodes[child]
        let bucket = bucket(old.hash)
        if buckets[bucket] == UInt32(child) {
            buckets[bucket] = old.next
        } else {
            var before = Int(buckets[bucket])
            while nodes[before].next != UInt32(child) { before = Int(nodes[before].next) }
            nodes[before].next = old.next
        }
        labels.remove(old.labelStart, count: Int(old.labelCount))
        edgeCount -= 1
    }

    /// Adds a bucket, and moves to it what belongs there out of the one bucket that held it so far.
    private mutating func splitBucket() {
        let new = buckets.count
        buckets.grow(to: new + 1)
        if new > bucketMask { bucketMask = bucketMask << 1 | 1 }
        let old = new & (bucketMask >> 1)
        var heads: (stays: UInt32, moves: UInt32) = (0, 0)
        var node = buckets[old]
        while node != 0 {
            let (next, hash) = (nodes[Int(node)].next, nodes[Int(node)].hash)
            if Int(hash) & bucketMask == new {
                if next != heads.moves { nodes[Int(node)].next = heads.moves }
                heads.moves = node
            } else {
                if next != heads.stays { nodes[Int(node)].next = heads.stays }
                heads.stays = node
            }
            node = next
        }
        buckets[old] = heads.stays
        buckets[new] = heads.moves
    }

    private func bucket(_ hash: UInt32) -> Int {
        let bucket = Int(hash) & bucketMask
        return bucket < buckets.count ? bucket : bucket & (bucketMask >> 1)
    }

    /// Eight bytes at a time, each folded in by a product of 128 bits.
    private func hash(_ node: Int, _ text: [UInt8], _ start: Int, _ count: Int) -> UInt32 {
        var value = Self.mixed(seed ^ UInt64(truncatingIfNeeded: node), 0x9e37_79b9_7f4a_7c15 ^ UInt64(truncatingIfNeeded: count))
        var position = start
        let end = start &+ count
        while position < end {
            var word: UInt64 = 0
            let stop = min(end, position &+ 8)
            while position < stop {
                word = word &<< 8 | UInt64(text[position])
                position &+= 1
            }
            value = Self.mixed(value ^ word, 0xd6e8_feb8_6659_fd93 ^ seed)
        }
        return UInt32(truncatingIfNeeded: value ^ value &>> 32)
    }

    private static func mixed(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}
