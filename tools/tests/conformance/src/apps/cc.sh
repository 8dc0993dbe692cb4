# SPDX-License-Identifier: GPL-2.0
# A small program of two files is built here, as a user would, and run; so is a shared library.
cat >sum.h <<end
long sum(const int *numbers, int count);
end
cat >sum.c <<end
#include "sum.h"
long sum(const int *numbers, int count)
{
	long all = 0;
	for (int i = 0; i < count; i++)
		all += numbers[i];
	return all;
}
end
cat >main.c <<end
#include <stdio.h>
#include "sum.h"
int main(void)
{
	int numbers[1000];
	for (int i = 0; i < 1000; i++)
		numbers[i] = i;
	printf("%ld\n", sum(numbers, 1000));
	return 0;
}
end
export TMPDIR=$PWD
gcc -O2 -Wall -Werror -c sum.c
gcc -O2 -Wall -Werror -c main.c
gcc -o program main.o sum.o
test "$(./program)" = 499500
gcc -shared -fPIC -o libsum.so sum.c
gcc -o dynamic main.c -L. -lsum -Wl,-rpath,"$PWD"
test "$(./dynamic)" = 499500
ar rcs libsum.a sum.o
gcc -static -o static main.c libsum.a
strip static
test "$(./static)" = 499500
