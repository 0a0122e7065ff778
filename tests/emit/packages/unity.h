/* unity.h: the four macros that the package's test uses of Unity. */
#ifndef UNITY_STAND_IN_H
#define UNITY_STAND_IN_H

void setUp(void);
void tearDown(void);

static int unity_failures;

#define UNITY_BEGIN() (unity_failures = 0)
#define TEST_ASSERT_EQUAL_INT(want, is) (unity_failures += (want) != (is))
#define RUN_TEST(test) (setUp(), test(), tearDown())
#define UNITY_END() (unity_failures)

#endif
