// NetfilterTests
