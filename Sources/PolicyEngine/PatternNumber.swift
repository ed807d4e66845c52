/// A small integer for one domain pattern that policy names: one for each distinct meaning.
///
/// Numbers rise while a compiler lives and are never given out twice, so a binding that was published under the number of a pattern that
/// is gone cannot come to mean something else. A pattern that goes and comes back has a new number.
public typealias PatternNumber = UInt32

/// The number under which every binding is published whatever its name: "this endpoint resolved this address". Patterns begin at 1.
public let anyName: PatternNumber = 0
