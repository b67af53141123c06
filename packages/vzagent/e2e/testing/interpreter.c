// Stands for Rosetta: says which program it was asked to run.
#include <stdio.h>

int main(int count, char **arguments) {
  for (int i = 1; i < count; i++) printf("%s ", arguments[i]);
  printf("translated\n");
  return 42;
}
