/// A small integer for one domain list that some rule names. Equal lists share a number; a number is never used again
/// for another list while the process lives, so a binding published under an older policy cannot come to mean something else.
public typealias SelectorNumber = UInt32

/// The number under which every binding is published whatever its name: "this endpoint resolved this address".
public let anyNameSelector: SelectorNumber = 0
