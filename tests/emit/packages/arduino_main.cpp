// arduino_main.cpp: one loop of a sketch on this machine.
#include <cstdio>
#include <ctime>

Port Serial;

void Port::begin(unsigned long)
{
}

void Port::print(const char *text)
{
    std::fputs(text, stdout);
}

void Port::println(unsigned long value)
{
    std::printf("%lu\n", value);
}

void Port::println(double value, int digits)
{
    std::printf("%.*f\n", digits, value);
}

unsigned long micros()
{
    return static_cast<unsigned long>(std::clock());
}

void delay(unsigned long)
{
}

int main()
{
    setup();
    loop();
    return 0;
}
