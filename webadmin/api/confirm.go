package api

// confirm requires that a request names the operation that it is for. People are asked
// at the dashboard and by the commands; a script with an API key is not, and neither is
// curl at the local admin socket.
func (b *body) confirm(said, operation, means string) {
	if said != operation {
		b.wrong("confirm", `must be "`+operation+`": `+means)
	}
}
