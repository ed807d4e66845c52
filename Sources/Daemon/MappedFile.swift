import CLinux
import Dispatch
import Enforcement
import Glibc
import Logging
import NetworkTypes
import Synchronization

/// Maps files that outlive the process.
public enum MappedFile {
    /// Opens or makes `path` (mode 0600), gives it `byteCount` bytes and maps it shared. A file that is there with another size is kept and resized; what
    /// it holds is for the reader to check.
    ///
    /// All of it is taken from the disk, or with `growth` the first page alone: the rest when its owner asks (`SharedMemory.reserve`), and what is refused
    /// then is logged there. A page that was not taken and finds the disk full would end the process.
    static func map(_ path: String, byteCount: Int, growth logger: Logger? = nil) throws(DaemonError) -> SharedMemory {
        let hint = "the daemon has to be able to write there, or set runtimeDirectory to another folder"
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw DaemonError("cannot open \(path)", code: errno, hint: hint) }
        do throws(DaemonError) {
            guard ftruncate(descriptor, byteCount) == 0 else {
                throw DaemonError("cannot size \(path) to \(byteCount) bytes", code: errno, hint: hint)
            }
            let taken = logger == nil ? byteCount : min(4_096, byteCount)
            guard exeat_reserve(descriptor, Int64(taken)) == 0 else {
                throw DaemonError("no room for \(taken) bytes of \(path)", code: errno, hint: "make some on its disk")
            }
            guard let base = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), unsafe base != MAP_FAILED
            else {
                throw DaemonError("cannot map \(path)", code: errno)
            }
            unsafe exeat_note_mapping(base, UInt(byteCount), path)
            let refusals = Refusals()
            let address = Int(bitPattern: base)
            // Sound: the mapping is released once, by the last owner of the memory.
            return unsafe SharedMemory(base: base, byteCount: byteCount) { count in
                if exeat_reserve(descriptor, Int64(count)) == 0 { return true }
                refusals.log(path, errno, logger)
                return false
            } release: {
                _ = unsafe munmap(UnsafeMutableRawPointer(bitPattern: address), byteCount)
                close(descriptor)
            }
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// At most one line in a minute for a file, written by another thread: the one that was refused must not wait.
    private final class Refusals: Sendable {
        private static let queue = DispatchQueue(label: "exeat-files")
        private let last = Mutex(Instant(nanoseconds: 0))

        func log(_ path: String, _ code: Int32, _ logger: Logger?) {
            let now = BootClock.now()
            let isDue = last.withLock { last in
                guard last.nanoseconds == 0 || now.nanoseconds(since: last) > 60_000_000_000 else { return false }
                last = now
                return true
            }
            guard isDue, let logger else { return }
            Self.queue.async {
                let error = DaemonError("no more room for \(path)", code: code, hint: "make some on its disk")
                logger.error("what is new would be lost by a restart", metadata: ["file": "\(path)", "error": "\(error)"])
            }
        }
    }

    /// Zeroed memory of the process's own.
    ///
    /// It asks for huge pages (madvise(2), `MADV_HUGEPAGE`): what is spread over a large table by hash costs a walk through the page tables for
    /// nearly every access, which takes longer than a decision. Where the kernel gives none, small pages do. A thread of its own has them all made
    /// (`MADV_POPULATE_WRITE`): a hundred bindings touch nearly all of them anyway, and whoever touches one first waits until two megabytes are
    /// zeroed, up to 9 ms on a virtual machine, with everybody's queries behind it. A kernel before 5.14 makes them when they are touched.
    ///
    /// - Parameter waitsForPages: whether all are there on return. That takes half a second for 128 MiB that the machine has not used before, so that a start does
    ///   not wait for it.
    public static func anonymous(byteCount: Int, waitsForPages: Bool = false) throws(DaemonError) -> SharedMemory {
        guard let base = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), unsafe base != MAP_FAILED
        else { throw DaemonError("cannot map \(byteCount) bytes", code: errno) }
        unsafe madvise(base, byteCount, Int32(MADV_HUGEPAGE))
        let memory = unsafe owner(of: base, byteCount)
        let address = Int(bitPattern: base)
        let populate = { @Sendable in
            // Sound: `memory` keeps the mapping.
            _ = unsafe madvise(UnsafeMutableRawPointer(bitPattern: address), byteCount, Int32(MADV_POPULATE_WRITE))
            withExtendedLifetime(memory) {}
        }
        if waitsForPages { populate() } else { DaemonThread.start("exeat-pages", populate) }
        return memory
    }

    private static func owner(of base: UnsafeMutableRawPointer, _ byteCount: Int) -> SharedMemory {
        let address = Int(bitPattern: base)
        // Sound: the mapping is released once, by the last owner of the memory.
        return unsafe SharedMemory(base: base, byteCount: byteCount) {
            _ = unsafe munmap(UnsafeMutableRawPointer(bitPattern: address), byteCount)
        }
    }

    /// A number that differs from boot to boot (the boot's random id, folded). Where the id cannot be read it differs from start to start: what is kept
    /// could be of an earlier boot, whose clock was another one, and is believed by nobody.
    static func bootMark(_ logger: Logger) -> UInt64 {
        let path = "/proc/sys/kernel/random/boot_id"
        let text = (try? TextFile.read(path)) ?? ""
        guard !text.isEmpty else {
            logger.warning("nothing is recovered of the daemon before: the boot has no id that can be read", metadata: ["file": "\(path)"])
            return .random(in: 0 ... .max)
        }
        var value: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return value
    }
}
