import DNSMessages
import NetworkTypes

/// Answers by question, bounded in bytes and in entries.
///
/// An open-addressing table over the question's hash finds a slot; nothing is allocated or moved by a hit. Eviction is S3-FIFO (Yang et al.,
/// SOSP 2023): what is new waits in a small queue (a tenth of the bytes) and moves to the main queue only if it was asked for again meanwhile,
/// so that a flood of names asked for once does not drive out what is in use. A name that comes back soon after its eviction goes to the main queue at once.
///
///     buckets: | hash, upper half | slot + 1 |   linear probing, deletion by shifting back
struct AnswerCache {
    private struct Slot {
        var answer: Answer?
        /// Hits since it was queued, at most 3.
        var hits: UInt8 = 0
        var isInMain = false
        /// Hits since this answer was stored, at most 254.
        var asked: UInt8 = 0
        /// The last try to refresh this answer failed.
        var isFailing = false
        /// Not to be refreshed before.
        var retryAt: Instant?
        /// What the gate said when this answer was last given to a client.
        var lesson: Lesson?
    }

    /// An answer that is in the cache, and where.
    struct Hit {
        let answer: Answer
        /// It ends soon, was asked for often, and nobody is fetching it: `noteRefresh`.
        let wantsRefresh: Bool
        fileprivate let slot: Int
    }

    /// An answer that has expired and may be given out where no other can be had (RFC 8767).
    struct StaleHit {
        let answer: Answer
        /// The last try to refresh it failed, so that it is given out at once.
        let isFailing: Bool
        /// Nobody is fetching it, and the last failure was a while ago: `noteRefresh`.
        let wantsRefresh: Bool
        fileprivate let slot: Int
    }

    let bytesMax: Int
    let entriesMax: Int
    /// How long an answer that has expired may be given out; 0: never.
    let staleSecondsMax: UInt32
    /// Hits from which an answer is refreshed before it ends; 255: it never is.
    let prefetchHitsMin: UInt8
    private(set) var bytes = 0
    private(set) var count = 0
    /// Of these, answers that there is no such name or data, and failures.
    private(set) var denials = 0
    private(set) var evictions: UInt64 = 0

    private let hasher = QuestionHasher()
    private var buckets: [UInt64]
    private var bucketMask: Int
    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private var small: SlotQueue
    private var main: SlotQueue
    private var smallBytes = 0
    /// Fingerprints of evicted questions, one place per hash.
    private var ghosts: [UInt32]

    /// The table grows with the answers: the fewer they are, the closer together they lie.
    init(bytesMax: Int, entriesMax: Int, staleSecondsMax: UInt32 = 0, prefetchHitsMin: UInt8 = .max) {
        self.staleSecondsMax = staleSecondsMax
        self.prefetchHitsMin = prefetchHitsMin
        self.bytesMax = max(0, bytesMax)
        self.entriesMax = min(max(1, entriesMax), 1 << 24)
        var size = 16
        while size < self.entriesMax { size *= 2 }
        ghosts = Array(repeating: 0, count: size)
        buckets = Array(repeating: 0, count: 1_024)
        bucketMask = buckets.count - 1
        small = SlotQueue(capacity: self.entriesMax)
        main = SlotQueue(capacity: self.entriesMax)
    }

    /// What the cache wants to know of a question beside its bytes, whether it is asked for or kept.
    func hash(_ message: Span<UInt8>, _ query: QueryHead) -> UInt64 { hasher.hash(message, query) }

    /// The answer to a question, unless it has expired. Counts as a hit. `message` is the one that `query` was scanned in.
    mutating func find(_ message: Span<UInt8>, _ query: QueryHead, hash: UInt64, now: Instant) -> Hit? {
        guard let slot = slot(message, query, hash), let answer = slots[slot].answer else { return nil }
        let age = answer.ageSeconds(now: now)
        var wantsRefresh = false
        if age >= answer.refreshAgeSeconds {
            guard age < answer.lifetimeSeconds else { return nil }
            wantsRefresh = slots[slot].asked >= prefetchHitsMin && mayRefresh(slot, now)
        }
        if slots[slot].hits < 3 { slots[slot].hits += 1 }
        slots[slot].asked &+= slots[slot].asked < 254 ? 1 : 0
        return Hit(answer: answer, wantsRefresh: wantsRefresh, slot: slot)
    }

    /// The answer to a question after it has expired, for the path of misses.
    mutating func findStale(_ message: Span<UInt8>, _ query: QueryHead, hash: UInt64, now: Instant) -> StaleHit? {
        guard staleSecondsMax > 0, let slot = slot(message, query, hash), let answer = slots[slot].answer, isStale(answer, now: now) else {
            return nil
        }
        if slots[slot].hits < 3 { slots[slot].hits += 1 }
        return StaleHit(answer: answer, isFailing: slots[slot].isFailing, wantsRefresh: mayRefresh(slot, now), slot: slot)
    }

    /// The answer to a question if it has not expired and says that there is no such name. Counts as a hit then. For the path of misses.
    mutating func findDenial(_ message: Span<UInt8>, _ query: QueryHead, hash: UInt64, now: Instant) -> Answer? {
        guard let slot = slot(message, query, hash), let answer = slots[slot].answer, answer.deniesName, !answer.isExpired(now: now) else {
            return nil
        }
        if slots[slot].hits < 3 { slots[slot].hits += 1 }
        return answer
    }

    /// Whether an answer has expired, and not so long ago that it may not be given out any more.
    func isStale(_ answer: Answer, now: Instant) -> Bool {
        guard answer.isCacheable, answer.lifetimeSeconds > 0 else { return false }
        let age = answer.ageSeconds(now: now)
        return age >= answer.lifetimeSeconds && age - answer.lifetimeSeconds < staleSecondsMax
    }

    private func mayRefresh(_ slot: Int, _ now: Instant) -> Bool { slots[slot].retryAt.map { $0 <= now } ?? true }

    /// Notes that the answer just found is being fetched: it is not to be fetched once more before `retryAt`, or until it has come or failed.
    mutating func noteRefresh(of hit: Hit, retryAt: Instant) { slots[hit.slot].retryAt = retryAt }

    mutating func noteRefresh(of hit: StaleHit, retryAt: Instant) { slots[hit.slot].retryAt = retryAt }

    /// The slot with the answer to a question, expired or not.
    @inline(__always)
    private func slot(_ message: Span<UInt8>, _ query: QueryHead, _ hash: UInt64) -> Int? {
        var place = home(hash)
        let upper = hash >> 32
        while true {
            let bucket = buckets[place]
            if bucket == 0 { return nil }
            if bucket >> 32 == upper {
                let slot = Int(bucket & 0xffff_ffff) - 1
                if let answer = slots[slot].answer, answer.hash == hash, answer.answers(query, in: message) { return slot }
            }
            place = (place + 1) & bucketMask
        }
    }

    /// What was noted last of the answer just found.
    func lesson(of hit: Hit) -> Lesson? { slots[hit.slot].lesson }

    /// Notes what the gate said of the answer just found.
    mutating func note(_ lesson: Lesson, of hit: Hit) { slots[hit.slot].lesson = lesson }

    /// Keeps an answer in place of an older one to the same question. One larger than a quarter of the whole is not kept, and the older one
    /// neither.
    ///
    /// A failure does not take the place of an answer that may still be given out, but is noted there (RFC 8767 §5). An answer that must not be
    /// kept takes the place of an older one all the same, so that what it has overtaken is not given out later.
    mutating func store(_ answer: Answer, now: Instant) {
        let cost = answer.byteCost
        guard cost <= bytesMax / 4 else {
            if !answer.isFailure { forget(place(of: answer)) }
            return
        }
        if let place = place(of: answer) {
            let slot = Int(buckets[place] & 0xffff_ffff) - 1
            guard let older = slots[slot].answer else { preconditionFailure("a bucket of the cache leads to an empty slot") }
            if answer.isFailure, !older.isFailure, !older.isExpired(now: now) || isStale(older, now: now) {
                slots[slot].isFailing = true
                slots[slot].retryAt = now.advanced(bySeconds: UInt64(max(1, answer.lifetimeSeconds)))
                return
            }
            let difference = cost - older.byteCost
            bytes += difference
            denials += (answer.isDenial ? 1 : 0) - (older.isDenial ? 1 : 0)
            if !slots[slot].isInMain { smallBytes += difference }
            slots[slot].answer = answer
            slots[slot].asked = 0
            slots[slot].isFailing = false
            slots[slot].retryAt = nil
            slots[slot].lesson = nil
            while bytes > bytesMax, evict(now: now) {}
            return
        }
        guard answer.lifetimeSeconds > 0 else { return }
        while bytes + cost > bytesMax || count >= entriesMax {
            guard evict(now: now) else { return }
        }
        let ghost = Int(truncatingIfNeeded: answer.hash) & (ghosts.count - 1)
        let isKnown = ghosts[ghost] == fingerprint(answer.hash)
        if isKnown { ghosts[ghost] = 0 }
        let slot: Int
        if let reused = free.popLast() {
            slot = Int(reused)
            slots[slot] = Slot(answer: answer, isInMain: isKnown)
        } else {
            slot = slots.count
            slots.append(Slot(answer: answer, isInMain: isKnown))
        }
        if isKnown { main.append(UInt32(slot)) } else { small.append(UInt32(slot)) }
        if !isKnown { smallBytes += cost }
        bytes += cost
        count += 1
        if answer.isDenial { denials += 1 }
        if 2 * count > buckets.count { grow() }
        insert((answer.hash >> 32) << 32 | UInt64(slot + 1))
    }

    /// What could not be refreshed may be tried again at once. Looks at all answers.
    mutating func forgetFailures() {
        for index in slots.indices where slots[index].isFailing { slots[index].retryAt = nil }
    }

    /// Has answers not be found any more. Their room is given back when they come to be evicted. Looks at all of them.
    mutating func forget(where isForgotten: (Answer) -> Bool) {
        for index in slots.indices {
            guard let answer = slots[index].answer, isForgotten(answer) else { continue }
            forget(place(of: answer, inSlot: index))
        }
    }

    private mutating func forget(_ place: Int?) {
        guard let place else { return }
        slots[Int(buckets[place] & 0xffff_ffff) - 1].hits = 0
        clear(place)
    }

    /// Forgets everything.
    mutating func removeAll() {
        self = AnswerCache(
            bytesMax: bytesMax, entriesMax: entriesMax, staleSecondsMax: staleSecondsMax, prefetchHitsMin: prefetchHitsMin)
    }

    // MARK: eviction

    /// Frees one answer; false if there is none.
    private mutating func evict(now: Instant) -> Bool {
        while true {
            let fromSmall = !small.isEmpty && (main.isEmpty || smallBytes > bytesMax / 10 || small.count > max(1, entriesMax / 10))
            guard let slot = fromSmall ? small.popFirst() : main.popFirst() else { return false }
            let index = Int(slot)
            guard let answer = slots[index].answer else { preconditionFailure("a queued slot of the cache is empty") }
            let cost = answer.byteCost
            if fromSmall { smallBytes -= cost }
            if slots[index].hits > 0, !answer.isExpired(now: now) {
                slots[index].hits = fromSmall ? 0 : slots[index].hits - 1
                slots[index].isInMain = true
                main.append(slot)
                continue
            }
            if fromSmall { ghosts[Int(truncatingIfNeeded: answer.hash) & (ghosts.count - 1)] = fingerprint(answer.hash) }
            if let place = place(of: answer, inSlot: index) { clear(place) }
            slots[index] = Slot()
            free.append(slot)
            bytes -= cost
            count -= 1
            if answer.isDenial { denials -= 1 }
            evictions &+= 1
            return true
        }
    }

    // MARK: the table

    private mutating func insert(_ bucket: UInt64) {
        var place = home(bucket)
        while buckets[place] != 0 { place = (place + 1) & bucketMask }
        buckets[place] = bucket
    }

    /// Twice the buckets. A bucket holds what its home follows from, so no answer is looked at: 65,536 answers take a fraction of a millisecond.
    private mutating func grow() {
        let old = buckets
        buckets = Array(repeating: 0, count: 2 * old.count)
        bucketMask = buckets.count - 1
        for index in 0..<old.count where old[index] != 0 { insert(old[index]) }
    }

    private func home(_ hash: UInt64) -> Int { Int(hash >> 32) & bucketMask }

    private func fingerprint(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash >> 32) | 1 }

    /// The bucket that holds the answer to the same question.
    private func place(of answer: Answer) -> Int? {
        var place = home(answer.hash)
        while buckets[place] != 0 {
            let slot = Int(buckets[place] & 0xffff_ffff) - 1
            if buckets[place] >> 32 == answer.hash >> 32, let kept = slots[slot].answer, kept.answersTheSame(as: answer) { return place }
            place = (place + 1) & bucketMask
        }
        return nil
    }

    /// The bucket that leads to a slot; nil if its answer was forgotten.
    private func place(of answer: Answer, inSlot slot: Int) -> Int? {
        guard let place = place(of: answer), Int(buckets[place] & 0xffff_ffff) - 1 == slot else { return nil }
        return place
    }

    /// Empties a bucket and moves later ones of the run back, so that no search ends early.
    private mutating func clear(_ start: Int) {
        var hole = start
        var place = (start + 1) & bucketMask
        while buckets[place] != 0 {
            let distance = (place - home(buckets[place])) & bucketMask
            if distance >= (place - hole) & bucketMask {
                buckets[hole] = buckets[place]
                hole = place
            }
            place = (place + 1) & bucketMask
        }
        buckets[hole] = 0
    }
}
