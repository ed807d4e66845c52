import NetworkTypes

/// The lists that were compiled, in one piece of memory.
extension RuleCompiler {
    /// Everything in one piece of memory, which whoever calls it gives back, and what programs take from it.
    consuming func flatten() -> (UnsafeMutableRawPointer, BlockView) {
        let entryStart = max(rules.count, 1) * MemoryLayout<CompiledRule>.stride
        let nameStart = entryStart + entries.count * MemoryLayout<BlockView.Entry>.stride
        let setRuleStart = nameStart + nameRules.count * MemoryLayout<BlockView.Entry>.stride
        let allowedStart = setRuleStart + setRules.count * 4
        let heldStart = allowedStart + allowedSets.count * 4
        // Never 0, which stands for "no rare criteria".
        let rareStart = (heldStart + sets.count * 4 + 15) & ~15
        let rareStride = MemoryLayout<CompiledRule.RareCriteria>.stride
        let rangeStart = (rareStart + rares.count * rareStride + 15) & ~15
        let rangeStride = MemoryLayout<AddressRange>.stride
        let patternStart = rangeStart + ranges.count * rangeStride
        let setStart = patternStart + patternLists.count * 4
        let portStart = setStart + setLists.count * 4
        let portStride = MemoryLayout<PortRange>.stride
        let total = portStart + ports.count * portStride
        precondition(total < Int(Int32.max), "the rules of one policy take less than 2 GiB")
        let memory = UnsafeMutableRawPointer.allocate(byteCount: total, alignment: 64)
        // Sound: each list is written once into the part that was counted for it; everything is bitwise copyable.
        func write<Element: BitwiseCopyable>(
            _ elements: [Element], at start: Int, as placed: (Element) -> Element = { $0 }
        ) -> UnsafeMutablePointer<Element> {
            let base = unsafe (memory + start).bindMemory(to: Element.self, capacity: max(1, elements.count))
            for place in elements.indices { unsafe (base + place).initialize(to: placed(elements[place])) }
            return unsafe base
        }
        func placed(_ slice: CompiledRule.Slice, _ start: Int, _ stride: Int) -> CompiledRule.Slice {
            var slice = slice
            slice.offset = UInt32(start + Int(slice.offset) * stride)
            return slice
        }
        func placed(_ rare: CompiledRule.RareCriteria) -> CompiledRule.RareCriteria {
            var rare = rare
            rare.notNets = placed(rare.notNets, rangeStart, rangeStride)
            rare.sourceNets = placed(rare.sourceNets, rangeStart, rangeStride)
            rare.sourceNotNets = placed(rare.sourceNotNets, rangeStart, rangeStride)
            rare.notPorts = placed(rare.notPorts, portStart, portStride)
            rare.sourcePorts = placed(rare.sourcePorts, portStart, portStride)
            rare.sourceNotPorts = placed(rare.sourceNotPorts, portStart, portStride)
            rare.nameTCPPorts = placed(rare.nameTCPPorts, portStart, portStride)
            rare.nameUDPPorts = placed(rare.nameUDPPorts, portStart, portStride)
            rare.notPortSets = placed(rare.notPortSets, setStart, 4)
            rare.sourceNotPortSets = placed(rare.sourceNotPortSets, setStart, 4)
            return rare
        }
        func placed(_ rule: CompiledRule) -> CompiledRule {
            var rule = rule
            unsafe rule.memory = UnsafeRawPointer(memory)
            if rule.rareOffset > 0 { rule.rareOffset = UInt32(rareStart + Int(rule.rareOffset - 1) * rareStride) }
            if !rule.conditions.contains(.net) { rule.nets = placed(rule.nets, rangeStart, rangeStride) }
            rule.patterns = placed(rule.patterns, patternStart, 4)
            rule.ports = placed(rule.ports, portStart, portStride)
            return rule
        }
        _ = unsafe write(rares, at: rareStart) { placed($0) }
        _ = unsafe write(ranges, at: rangeStart)
        _ = unsafe write(patternLists, at: patternStart)
        _ = unsafe write(setLists, at: setStart)
        _ = unsafe write(ports, at: portStart)
        let view = unsafe BlockView(
            rules: write(rules, at: 0) { placed($0) }, ruleCount: rules.count,
            entries: write(entries, at: entryStart), entryCount: entries.count,
            nameRules: write(nameRules, at: nameStart), nameRuleCount: nameRules.count, setRules: write(setRules, at: setRuleStart),
            setRuleCount: setRules.count, allowedSets: write(allowedSets, at: allowedStart), allowedSetCount: allowedSets.count,
            sets: write(sets, at: heldStart), setCount: sets.count)
        return unsafe (memory, view)
    }
}
