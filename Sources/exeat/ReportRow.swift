import Foundation
import Telemetry

/// One JSON object of a report, for printing.
struct ReportRow {
    private let fields: [String: Any]

    init?(json: String) {
        guard let fields = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] else { return nil }
        self.fields = fields
    }

    /// For a terminal.
    subscript(name: String) -> String { TerminalText.plain(text(of: name)) }

    private func text(of name: String) -> String {
        switch fields[name] {
        // A boolean is a number to Foundation, and known by its C type alone.
        case let number as NSNumber where unsafe number.objCType.pointee == CChar(bitPattern: UInt8(ascii: "c")): "\(number.boolValue)"
        case let list as [String]: list.joined(separator: ",")
        case let map as [String: String]: map.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        case let value?: "\(value)"
        case nil: ""
        }
    }

    /// The field, filled up to a width.
    func column(_ name: String, _ width: Int) -> String {
        let text = self[name]
        return text + String(repeating: " ", count: max(1, width - text.count))
    }

    var names: [String] { fields.keys.sorted() }
}
