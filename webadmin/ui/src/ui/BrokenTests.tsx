import { Stack, Text } from '@mantine/core'
import type { BrokenPolicyTest } from '@/api/types'
import { insteadOf, mustOf, whoOf } from './policytests'

/** The policy tests that a change would break: what each expects, and what would be decided. */
export function BrokenTests({ of, advice }: { of: BrokenPolicyTest[]; advice?: string }) {
  return (
    <>
      <Stack gap={6} component="ul" m={0} pl={18} aria-label="Policy tests that would not hold">
        {of.map((t) => (
          <Text component="li" size="sm" key={t.id} c="var(--mantine-color-text)" className="wrap">
            <code>{t.id}</code>: {whoOf(t.subject).about} <code>{whoOf(t.subject).name}</code> {mustOf(t)}{' '}
            <code>{t.target}</code>
            {t.network_id && (
              <>
                {' '}
                in the network <code>{t.network_id}</code>
              </>
            )}
            , {insteadOf(t)}
            {t.note && ` Its note: ${t.note}`}
          </Text>
        ))}
      </Stack>
      <Text size="sm" c="var(--mantine-color-text)">
        {advice ?? 'Nothing was changed. Change the rules in another way, or delete the test first.'}
      </Text>
    </>
  )
}
