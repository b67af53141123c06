/* GNUstep asks for the blocks runtime by this name. */
#include <Block.h>
