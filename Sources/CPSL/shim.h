// libpsl 0.21: the list that is built in, read only.
#include <libpsl.h>
