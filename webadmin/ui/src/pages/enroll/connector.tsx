import { Enroll } from './Enroll'

export const Page = () => <Enroll kind="connector" />
