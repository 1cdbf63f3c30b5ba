// What cannot wait for the application: it loads the page anew when the controller is
// back, if the application itself could not be loaded. Three times; then it says so.
;(function () {
  var key = 'reloaded:boot'
  var waiting = false

  function started() {
    return document.documentElement.hasAttribute('data-started')
  }

  function say(text) {
    var p = document.querySelector('.boot p')
    if (p) p.textContent = text
  }

  function again() {
    if (started()) return
    fetch('/favicon.svg', { method: 'HEAD', cache: 'no-store' }).then(
      function (reply) {
        var times = Number(sessionStorage.getItem(key)) || 0
        if (!reply.ok) return void setTimeout(again, 2000)
        if (times >= 3) return say('The dashboard could not be loaded. Reload the page to try again.')
        sessionStorage.setItem(key, String(times + 1))
        location.reload()
      },
      function () {
        setTimeout(again, 2000)
      },
    )
  }

  addEventListener(
    'error',
    function (e) {
      if (started() || waiting || !e.target || (!e.target.src && !e.target.href)) return
      waiting = true
      say('The controller does not answer. The dashboard opens by itself when it does.')
      setTimeout(again, 1000)
    },
    true,
  )
})()
