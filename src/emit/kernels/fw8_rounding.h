/* fw8_rounding.h: the rule by which the int8 kernels round: 0, once, half up; 1, twice,
 * as TensorFlow Lite Micro does. */
#ifndef FW8_ROUNDING_H
#define FW8_ROUNDING_H

#define FW8_TFLITE 0

#endif
