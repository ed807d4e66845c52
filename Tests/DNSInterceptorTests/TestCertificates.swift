import Foundation

/// An authority and servers' certificates of each kind that a client must tell apart, made anew for a run of the tests.
struct TestCertificates: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        /// For `dns.example.org` and 127.0.0.1.
        case good
        /// For `other.example.org`.
        case otherName
        /// For the right name, by nobody but itself.
        case selfSigned
        /// For the right name, until yesterday.
        case expired
        /// The subject's common name is right, and no alternative name.
        case commonName
    }

    static let shared: TestCertificates = {
        do {
            return try TestCertificates()
        } catch {
            fatalError("no certificates: \(error)")
        }
    }()

    private let folder: URL

    var authorityFile: String { path("authority.pem") }
    func certificateFile(_ kind: Kind) -> String { path("\(kind.rawValue).pem") }
    func keyFile(_ kind: Kind) -> String { path("\(kind.rawValue).key") }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "exeat-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        let selfSigned = ["req", "-x509", "-days", "30"] + key
        try openssl(selfSigned + ["-keyout", path("authority.key"), "-out", authorityFile, "-subj", "/CN=Test authority"])
        for kind in Kind.allCases {
            let name = kind == .otherName ? "other.example.org" : "dns.example.org"
            let names = "subjectAltName=DNS:\(name)" + (kind == .good ? ",IP:127.0.0.1" : "")
            if kind == .selfSigned {
                let files = ["-keyout", keyFile(kind), "-out", certificateFile(kind)]
                try openssl(selfSigned + files + ["-subj", "/CN=\(name)", "-addext", names])
                continue
            }
            let request = path("\(kind.rawValue).request")
            let extensions = path("\(kind.rawValue).extensions")
            try Data((kind == .commonName ? "basicConstraints=CA:FALSE\n" : names + "\n").utf8).write(to: URL(filePath: extensions))
            try openssl(["req"] + key + ["-keyout", keyFile(kind), "-out", request, "-subj", "/CN=\(name)"])
            let authority = ["-CA", authorityFile, "-CAkey", path("authority.key"), "-days", kind == .expired ? "-1" : "30"]
            try openssl(["x509", "-req", "-in", request, "-out", certificateFile(kind), "-extfile", extensions] + authority)
        }
    }

    /// The pin of RFC 7858 §4.2, as the tools of administrators compute it.
    func pin(_ kind: Kind) throws -> [UInt8] {
        let publicKey = path("\(kind.rawValue).public")
        try openssl(["pkey", "-in", keyFile(kind), "-pubout", "-outform", "DER", "-out", publicKey])
        let digest = path("\(kind.rawValue).digest")
        try openssl(["dgst", "-sha256", "-binary", "-out", digest, publicKey])
        return Array(try Data(contentsOf: URL(filePath: digest)))
    }

    struct Failure: Error { let output: String }

    private func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(output: text) }
    }
}
