/** What index.html shows until the application runs, shown on until its first page is there. */
export function Boot() {
  return (
    <div className="boot" role="status">
      <img src="/favicon.svg" alt="" width="40" height="40" />
      grpccontroller
      <p>Loading the dashboard…</p>
    </div>
  )
}
