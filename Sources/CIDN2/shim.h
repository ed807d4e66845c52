// libidn2 2.3: one label at a time, from UTF-8. `IDN2_USE_STD3_ASCII_RULES` is never used: it deletes what STD3 forbids.
#include <idn2.h>
