import { IconPlugConnected, IconRoute } from '@tabler/icons-react'
import type { Kind } from '@/api/types'

/** The texts that differ between the pages of connectors and of tunnelers. */
export const wordsOf = {
  connector: {
    title: 'Connectors',
    icon: IconPlugConnected,
    about: 'They run inside your private networks, keep a stream to this controller and accept tunnelers.',
    none: 'Add one for each private network: create an enrollment token, run one command on a host inside the network, and watch it come online here.',
  },
  tunneler: {
    title: 'Tunnelers',
    icon: IconRoute,
    about: 'They run on the hosts of users and services. The connectors that they are connected to report their state.',
    none: 'A tunneler gives a host access to the networks behind your connectors. Create an enrollment token and run one command on the host.',
  },
} satisfies Record<Kind, unknown>
