/* Arduino.h: what the sketch uses of Arduino's core, on this machine. */
#ifndef ARDUINO_STAND_IN_H
#define ARDUINO_STAND_IN_H

class Port
{
  public:
    void begin(unsigned long baud);
    void print(const char *text);
    void println(unsigned long value);
    void println(double value, int digits);
};

extern Port Serial;
unsigned long micros();
void delay(unsigned long milliseconds);
void setup();
void loop();

#endif
