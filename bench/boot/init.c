#include <unistd.h>

// The least that a guest can be: says that user space runs, and waits to be ended.
int main(void) {
  if (write(1, "user space\n", 11) != 11) return 1;
  for (;;) pause();
}
