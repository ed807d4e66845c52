import Glibc

// What the lab needs of files, clocks and programs, over Glibc alone.

/// The text of an errno (strerror_r(3), the XSI or the GNU form does not matter: the number is printed as well).
func errorText(_ number: Int32) -> String {
    guard let text = unsafe strerror(number) else { return "errno \(number)" }
    return unsafe "\(String(cString: text)) (errno \(number))"
}

/// Milliseconds of `CLOCK_MONOTONIC`.
func monotonicMilliseconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1_000_000
}

func sleep(milliseconds: Int) {
    usleep(UInt32(milliseconds) * 1000)
}

/// Calls `isReady` every 10 ms until it is true.
func poll(_ what: String, seconds: Double, until isReady: () throws -> Bool) throws {
    let deadline = monotonicMilliseconds() + seconds * 1000
    while try !isReady() {
        guard monotonicMilliseconds() < deadline else { throw LabError.timedOut(what, seconds: seconds) }
        sleep(milliseconds: 10)
    }
}

/// Replaces the file's contents; makes it with mode 0644.
func write(_ text: String, to path: String) throws(LabError) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system(call: "open \(path)", errno: errno) }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    var offset = 0
    while offset < bytes.count {
        let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw .system(call: "write \(path)", errno: errno) }
        offset += count
    }
}

/// The file's contents, nil if it cannot be read.
func readText(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    while readSome(descriptor, into: &bytes) > 0 {}
    return String(decoding: bytes, as: UTF8.self)
}

/// Appends what one read(2) gives; its result: 0 at the end, negative on error.
func readSome(_ descriptor: Int32, into bytes: inout [UInt8]) -> Int {
    var chunk = [UInt8](repeating: 0, count: 65536)
    let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
    if count > 0 { bytes.append(contentsOf: chunk[..<count]) }
    return count
}

func makeDirectory(_ path: String, mode: mode_t = 0o755) throws(LabError) {
    guard unsafe mkdir(path, mode) == 0 || errno == EEXIST else { throw .system(call: "mkdir \(path)", errno: errno) }
}

func fileExists(_ path: String) -> Bool {
    unsafe access(path, F_OK) == 0
}

/// The names in a folder, empty if it cannot be read.
func namesInFolder(_ path: String) -> [String] {
    guard let folder = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
            unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}

/// The path of a program: in `PATH`, then where Debian keeps programs for root. A name with a slash is a path already.
func findTool(_ name: String) -> String? {
    if name.contains("/") { return unsafe access(name, X_OK) == 0 ? name : nil }
    let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? ""
    for folder in path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"] {
        if unsafe access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
    }
    return nil
}

/// When the process started, in clock ticks since boot (`/proc/PID/stat`, field 22: proc(5)); nil if it is gone or a zombie.
func processStartTicks(_ process: pid_t) -> UInt64? {
    guard let stat = readText("/proc/\(process)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
    return UInt64(fields[19])
}
