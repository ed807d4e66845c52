extension PatternTrie {
    /// Appends the number of every pattern that matches, each once. Allocates nothing but growth of the array.
    ///
    /// A node of the trie is come to at most once. Of globs those are tried whose prefix the label has, of these those whose suffix it
    /// has, and of these those whose pieces follow: looked up by text, not one after another. So a lookup follows the labels of the
    /// name and the globs that it begins to match, not the number of patterns.
    func appendNumbers(matching name: DomainName, to found: inout [UInt32]) {
        walk(NameWalk(name, seeksForeign: hostPatternCount > 0), from: 0, depth: 0, &found)
    }

    private func walk(_ name: borrowing NameWalk, from start: Int, depth first: Int, _ found: inout [UInt32]) {
        var node = start
        var depth = first
        while true {
            let here = nodes[node]
            if here.wildcards != 0 { wildcards(Int(here.wildcards), name, depth, &found) }
            if depth == name.count {
                if here.pattern != 0 { found.append(here.pattern - 1) }
                return
            }
            guard here.edgeCount != 0 else { return }
            let label = name.label(depth)
            node = child(of: node, name.bytes, label.start, label.end - label.start)
            guard node != 0 else { return }
            depth += 1
        }
    }

    private func wildcards(_ record: Int, _ name: borrowing NameWalk, _ depth: Int, _ found: inout [UInt32]) {
        let record = wildcards[record]
        if record[.noneOrMore] != 0 { found.append(record[.noneOrMore] - 1) }
        let isOfHost = name.isOfHostCharacters(from: depth)
        if record[.noneOrMoreOfHost] != 0, isOfHost { found.append(record[.noneOrMoreOfHost] - 1) }
        guard depth < name.count else { return }
        if record[.oneOrMore] != 0 { found.append(record[.oneOrMore] - 1) }
        if record[.oneOrMoreOfHost] != 0, isOfHost { found.append(record[.oneOrMoreOfHost] - 1) }
        if record[.one] != 0, depth == name.count - 1 { found.append(record[.one] - 1) }
        if record[.leading] != 0 { leading(Int(record[.leading]), name, depth, &found) }
        if record[.globs] != 0 { globs(Int(record[.globs]), name, depth, &found) }
        if record[.globsOfHost] != 0, name.isOfHostCharacters(depth) { globs(Int(record[.globsOfHost]), name, depth, &found) }
    }

    /// Labels from the leaf on; "one or more" needs the one at `depth`.
    private func leading(_ start: Int, _ name: borrowing NameWalk, _ depth: Int, _ found: inout [UInt32]) {
        var node = start
        var index = name.count - 1
        while index > depth {
            let label = name.label(index)
            node = child(of: node, name.bytes, label.start, label.end - label.start)
            guard node != 0 else { return }
            let pattern = nodes[node].pattern
            if pattern != 0 { found.append(pattern - 1) }
            index -= 1
        }
    }

    private func globs(_ start: Int, _ name: borrowing NameWalk, _ depth: Int, _ found: inout [UInt32]) {
        let label = name.label(depth)
        let count = label.end - label.start
        var prefixes = nodes[start].lengths
        while prefixes != 0 {
            let prefixCount = prefixes.trailingZeroBitCount
            prefixes &= prefixes - 1
            guard prefixCount <= count else { break }
            let prefix = child(of: start, name.bytes, label.start, prefixCount)
            guard prefix != 0 else { continue }
            var suffixes = nodes[prefix].lengths
            while suffixes != 0 {
                let suffixCount = suffixes.trailingZeroBitCount
                suffixes &= suffixes - 1
                guard prefixCount + suffixCount <= count else { break }
                let suffix = child(of: prefix, name.bytes, label.end - suffixCount, suffixCount)
                guard suffix != 0 else { continue }
                pieces(suffix, name, depth, label.start + prefixCount, label.end - suffixCount, &found)
            }
        }
    }

    /// Goes on behind the globs that end here, and takes each further piece at its first place between `start` and `end`.
    private func pieces(
        _ node: Int, _ name: borrowing NameWalk, _ depth: Int, _ start: Int, _ end: Int, _ found: inout [UInt32]
    ) {
        let last = child(of: node, name.bytes, 0, 0)
        if last != 0 { walk(name, from: last, depth: depth + 1, &found) }
        var lengths = nodes[node].lengths
        guard lengths != 0 else { return }
        // Nodes of the pieces with the length at hand: a label has at most 63 places.
        var seen = InlineArray<64, UInt32>(repeating: 0)
        while lengths != 0 {
            let count = lengths.trailingZeroBitCount
            lengths &= lengths - 1
            guard start + count <= end else { break }
            var seenCount = 0
            for position in start...(end - count) {
                let piece = child(of: node, name.bytes, position, count)
                guard piece != 0 else { continue }
                if (0..<seenCount).contains(where: { seen[$0] == UInt32(piece) }) { continue }
                seen[seenCount] = UInt32(piece)
                seenCount += 1
                pieces(piece, name, depth, position + count, end, &found)
            }
        }
    }
}
