import { base } from '@/api/client'

/** The address of a download: the filters of a list, without the page that is shown. */
export function exportURL(path: string, query: Record<string, string | number | undefined>) {
  const params = new URLSearchParams()
  for (const [k, v] of Object.entries(query)) {
    if (v !== undefined && k !== 'page_size' && k !== 'page_token') params.set(k, String(v))
  }
  return `${base}${path}${params.size ? `?${params}` : ''}`
}
