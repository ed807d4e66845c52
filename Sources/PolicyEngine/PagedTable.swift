/// Elements by number, in pages that versions of the table share: changing one copies one page.
package struct PagedTable<Element: Sendable>: Sendable {
    private final class Page: @unchecked Sendable {
        var elements: [Element?]
        var used = 0

        init() { elements = Array(repeating: nil, count: PagedTable.pageSize) }

        init(copying page: Page) {
            elements = page.elements
            used = page.used
        }
    }

    private static var pageSize: Int { 256 }

    private var pages: [Page?] = []

    /// One past the last number that a page exists for.
    package var end: Int { pages.count * Self.pageSize }

    package subscript(_ number: Int) -> Element? {
        get {
            let page = number / Self.pageSize
            return page < pages.count ? pages[page]?.elements[number % Self.pageSize] : nil
        }
        set {
            let place = number / Self.pageSize
            if place >= pages.count {
                if newValue == nil { return }
                pages.append(contentsOf: repeatElement(nil, count: place + 1 - pages.count))
            }
            if pages[place] == nil {
                if newValue == nil { return }
                pages[place] = Page()
            } else if !isKnownUniquelyReferenced(&pages[place]), let shared = pages[place] {
                pages[place] = Page(copying: shared)
            }
            guard let page = pages[place] else { return }
            let wasUsed = page.elements[number % Self.pageSize] != nil
            page.elements[number % Self.pageSize] = newValue
            page.used += (newValue != nil ? 1 : 0) - (wasUsed ? 1 : 0)
            if page.used == 0 { pages[place] = nil }
        }
    }

    /// Calls `body` for every element with a number of at least `first`, ascending.
    func forEach(from first: Int, _ body: (Int, Element) -> Void) {
        var page = first / Self.pageSize
        while page < pages.count {
            if let elements = pages[page]?.elements {
                for place in elements.indices {
                    let number = page * Self.pageSize + place
                    if number >= first, let element = elements[place] { body(number, element) }
                }
            }
            page += 1
        }
    }
}
