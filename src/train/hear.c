/* hear.c: what the teachers say of a batch, on its way into the lesson. */
#include "train/session_int.h"

void lb_session_hear(lb_session *s, const lb_batch *batch)
{
    const bool logits = s->lesson.voice[0].id != 0;

    if (!lb_lesson_listens(&s->lesson))
        return;
    if (s->oracle.n > 0) {
        lb_oracle_ask(&s->oracle, batch, &s->lesson);
        return;
    }
    lb_teacher_logits(s->setup->teacher, batch, logits ? s->teacher_logits : NULL);
    if (logits)
        lb_lesson_hear(&s->lesson, s->teacher_logits);
    lb_lesson_see(&s->lesson, s->setup->teacher, s->setup->pool);
}
